/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The config.json that `kata-runtime spec` writes: a shell on a terminal with the rights a
 * container usually has.
 */
#include "oci/spec.h"

#define CAPABILITIES "\"CAP_AUDIT_WRITE\", \"CAP_KILL\", \"CAP_NET_BIND_SERVICE\""

static const char template[] =
	"{\n"
	"    \"ociVersion\": \"" OCI_VERSION "\",\n"
	"    \"process\": {\n"
	"        \"terminal\": true,\n"
	"        \"user\": { \"uid\": 0, \"gid\": 0 },\n"
	"        \"args\": [\"sh\"],\n"
	"        \"env\": [\n"
	"            \"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\",\n"
	"            \"TERM=xterm\"\n"
	"        ],\n"
	"        \"cwd\": \"/\",\n"
	"        \"capabilities\": {\n"
	"            \"bounding\": [" CAPABILITIES "],\n"
	"            \"effective\": [" CAPABILITIES "],\n"
	"            \"permitted\": [" CAPABILITIES "]\n"
	"        },\n"
	"        \"rlimits\": [\n"
	"            { \"type\": \"RLIMIT_NOFILE\", \"hard\": 1024, \"soft\": 1024 }\n"
	"        ],\n"
	"        \"noNewPrivileges\": true\n"
	"    },\n"
	"    \"root\": { \"path\": \"rootfs\", \"readonly\": true },\n"
	"    \"hostname\": \"kata\",\n"
	"    \"mounts\": [\n"
	"        { \"destination\": \"/proc\", \"type\": \"proc\", \"source\": \"proc\" },\n"
	"        {\n"
	"            \"destination\": \"/dev\", \"type\": \"tmpfs\", \"source\": \"tmpfs\",\n"
	"            \"options\": [\"nosuid\", \"strictatime\", \"mode=755\", \"size=65536k\"]\n"
	"        },\n"
	"        {\n"
	"            \"destination\": \"/dev/pts\", \"type\": \"devpts\", \"source\": \"devpts\",\n"
	"            \"options\": [\n"
	"                \"nosuid\", \"noexec\", \"newinstance\", \"ptmxmode=0666\", \"mode=0620\", \"gid=5\"\n"
	"            ]\n"
	"        },\n"
	"        {\n"
	"            \"destination\": \"/dev/shm\", \"type\": \"tmpfs\", \"source\": \"shm\",\n"
	"            \"options\": [\"nosuid\", \"noexec\", \"nodev\", \"mode=1777\", \"size=65536k\"]\n"
	"        },\n"
	"        {\n"
	"            \"destination\": \"/dev/mqueue\", \"type\": \"mqueue\", \"source\": \"mqueue\",\n"
	"            \"options\": [\"nosuid\", \"noexec\", \"nodev\"]\n"
	"        },\n"
	"        {\n"
	"            \"destination\": \"/sys\", \"type\": \"sysfs\", \"source\": \"sysfs\",\n"
	"            \"options\": [\"nosuid\", \"noexec\", \"nodev\", \"ro\"]\n"
	"        },\n"
	"        {\n"
	"            \"destination\": \"/sys/fs/cgroup\", \"type\": \"cgroup\", \"source\": \"cgroup\",\n"
	"            \"options\": [\"nosuid\", \"noexec\", \"nodev\", \"relatime\", \"ro\"]\n"
	"        }\n"
	"    ],\n"
	"    \"linux\": {\n"
	"        \"resources\": {\n"
	"            \"devices\": [{ \"allow\": false, \"access\": \"rwm\" }]\n"
	"        },\n"
	"        \"namespaces\": [\n"
	"            { \"type\": \"pid\" },\n"
	"            { \"type\": \"network\" },\n"
	"            { \"type\": \"ipc\" },\n"
	"            { \"type\": \"uts\" },\n"
	"            { \"type\": \"mount\" },\n"
	"            { \"type\": \"cgroup\" }\n"
	"        ],\n"
	"        \"maskedPaths\": [\n"
	"            \"/proc/acpi\", \"/proc/asound\", \"/proc/kcore\", \"/proc/keys\",\n"
	"            \"/proc/latency_stats\", \"/proc/timer_list\", \"/proc/timer_stats\",\n"
	"            \"/proc/sched_debug\", \"/sys/firmware\", \"/proc/scsi\"\n"
	"        ],\n"
	"        \"readonlyPaths\": [\n"
	"            \"/proc/bus\", \"/proc/fs\", \"/proc/irq\", \"/proc/sys\", \"/proc/sysrq-trigger\"\n"
	"        ]\n"
	"    }\n"
	"}\n";

/**
 * oci_spec_template() - the specification to start a bundle with
 * @out: buffer the config.json is appended to
 *
 * Return: 0 or -ENOMEM.
 */
int oci_spec_template(struct strbuf *out)
{
	return strbuf_add(out, template, sizeof(template) - 1);
}
