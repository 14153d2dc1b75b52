/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a container sees of files: mounts and their options, devices, masked and read-only paths,
 * links that try to lead out; and what confines it: seccomp, rlimits, sysctls, cgroup. Skipped
 * without root.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/str.h"
#include "container-fixture.h"
#include "rpc/pb/agent_msg.h"

static struct fixture_result res;

#define RUN(...) fixture_run(&(struct fixture_run){ __VA_ARGS__ }, &res)

static void assert_has(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("\"%s\" is not in \"%s\"", part, text);
}

static const char *in_dir(const char *path)
{
	static char buf[4][256];
	static unsigned next;
	char *full = buf[next++ % 4];

	(void)snprintf(full, sizeof(buf[0]), "%s/%s", fixture_dir(), path);
	return full;
}

static const char *mount_json(const char *destination, const char *source, const char *options)
{
	static char json[1024];

	(void)snprintf(json, sizeof(json),
		       ", {\"destination\": \"%s\", \"type\": \"bind\", \"source\": \"%s\", "
		       "\"options\": [%s]}",
		       destination, source, options);
	return json;
}

static void device_nodes_and_links_are_there(void **state)
{
	(void)state;
	RUN(.shell = "for d in null zero full random urandom tty; do stat -c '%n %a %t:%T' "
		     "/dev/$d; done; "
		     "for l in fd stdin stdout stderr ptmx; do readlink /dev/$l; done; "
		     "stat -c '%n %F %a %u %g %t:%T' /dev/loopish /dev/sub/pipe",
	    .linux_ = ", \"devices\": [{\"path\": \"/dev/loopish\", \"type\": \"b\", \"major\": 7, "
		      "\"minor\": 300, "
		      "\"fileMode\": 416, \"uid\": 3, \"gid\": 4}, {\"path\": \"/dev/sub/pipe\", "
		      "\"type\": \"p\"}]");
	assert_int_equal(res.r, 0);
	assert_string_equal(
		res.out,
		"/dev/null 666 1:3\n/dev/zero 666 1:5\n/dev/full 666 1:7\n/dev/random 666 1:8\n"
		"/dev/urandom 666 1:9\n/dev/tty 666 5:0\n"
		"/proc/self/fd\n/proc/self/fd/0\n/proc/self/fd/1\n/proc/self/fd/2\npts/ptmx\n"
		"/dev/loopish block special file 640 3 4 7:12c\n/dev/sub/pipe fifo 666 0 0 0:0\n");
}

static void dev_that_is_a_link_is_refused(void **state)
{
	(void)state;
	assert_int_equal(rmdir(in_dir("rootfs/proc")), 0);
	assert_int_equal(symlink("/tmp", in_dir("rootfs/proc")), 0);
	RUN(.shell = "true");
	assert_int_equal(unlink(in_dir("rootfs/proc")), 0);
	assert_int_equal(mkdir(in_dir("rootfs/proc"), 0755), 0);
	assert_int_equal(res.r, -ELOOP);
	assert_has(res.err.text, "mount target /proc");
}

static void binds_have_their_options(void **state)
{
	(void)state;
	assert_int_equal(mkdir(in_dir("volume"), 0755), 0);
	assert_int_equal(fixture_write("volume/file", "content\n"), 0);
	RUN(.shell = "cat /vol/a/file; touch /vol/a/new || echo read-only; grep ' /vol/a ' "
		     "/proc/self/mountinfo",
	    .mounts = mount_json("/vol/a", in_dir("volume"),
				 "\"rbind\", \"ro\", \"nosuid\", \"noexec\", \"rprivate\""));
	assert_int_equal(res.r, 0);
	assert_has(res.out, "content\nread-only\n");
	assert_has(res.out, "/vol/a ro,nosuid,noexec");
	RUN(.shell = "cat /etc/one; echo more > /etc/one; ls -l /etc/one | cut -c1",
	    .mounts = mount_json("/etc/one", in_dir("volume/file"), "\"bind\""));
	assert_string_equal(res.out, "content\n-\n");
	/* a source relative to the bundle */
	RUN(.shell = "cat /rel/file", .mounts = mount_json("/rel", "volume", "\"rbind\""));
	assert_string_equal(res.out, "more\n");
	RUN(.shell = "true", .mounts = mount_json("/x", "/no/such/source", "\"bind\""));
	assert_int_equal(res.r, -ENOENT);
	assert_has(res.err.text, "mount /x: source /no/such/source: No such file or directory");
}

static void recursive_read_only_reaches_submounts(void **state)
{
	(void)state;
	(void)mkdir(in_dir("tree"), 0755);
	(void)mkdir(in_dir("tree/sub"), 0755);
	assert_int_equal(mount("tmpfs", in_dir("tree/sub"), "tmpfs", 0, NULL), 0);
	RUN(.shell = "touch /t/sub/x && echo wrote",
	    .mounts = mount_json("/t", in_dir("tree"), "\"rbind\", \"ro\""));
	assert_string_equal(res.out, "wrote\n");
	RUN(.shell = "touch /t/sub/y || echo refused",
	    .mounts = mount_json("/t", in_dir("tree"), "\"rbind\", \"rro\""));
	assert_string_equal(res.out, "refused\n");
	RUN(.shell = "ls /t/sub", .mounts = mount_json("/t", in_dir("tree"), "\"bind\""));
	assert_string_equal(res.out, "");
	assert_int_equal(umount2(in_dir("tree/sub"), MNT_DETACH), 0);
}

static void links_do_not_lead_out(void **state)
{
	(void)state;
	(void)unlink(in_dir("outside"));
	assert_int_equal(
		symlink("../../../../../../../../../../tmp/kata-escape", in_dir("rootfs/escape")),
		0);
	assert_int_equal(symlink("/data", in_dir("rootfs/inside")), 0);
	RUN(.shell = "cat /data/v/file; ls -d /tmp/kata-escape/v",
	    .mounts = mount_json("/inside/v", in_dir("volume"), "\"bind\""));
	assert_has(res.out, "more\n");
	RUN(.shell = "ls /tmp/kata-escape",
	    .mounts = mount_json("/escape/v", in_dir("volume"), "\"bind\""));
	assert_int_equal(res.r, 0);
	assert_string_equal(res.out, "v\n");
	assert_int_not_equal(access("/tmp/kata-escape", F_OK), 0);
	(void)unlink(in_dir("rootfs/escape"));
	(void)unlink(in_dir("rootfs/inside"));
}

static void tmpfs_takes_its_options(void **state)
{
	(void)state;
	RUN(.shell = "grep ' /t ' /proc/self/mountinfo; stat -c %a /t; stat -c %a /root",
	    .mounts = ", {\"destination\": \"/t\", \"type\": \"tmpfs\", \"source\": \"tmpfs\", "
		      "\"options\": [\"noexec\", \"size=64k\", \"mode=1770\"]}, "
		      "{\"destination\": \"/root\", \"type\": \"tmpfs\", \"source\": \"tmpfs\"}");
	assert_int_equal(res.r, 0);
	assert_has(res.out, "noexec");
	assert_has(res.out, "size=64k,mode=1770");
	assert_has(res.out, "\n1770\n755\n"); /* the second has the mode of what it covers */
	RUN(.shell = "true", .mounts = ", {\"destination\": \"/t\", \"type\": \"tmpfs\", "
				       "\"options\": [\"nonsense=1\"]}");
	assert_int_equal(res.r, -EINVAL);
	assert_has(res.err.text, "mount /t: option nonsense=1");
	RUN(.shell = "true", .mounts = ", {\"destination\": \"/t\", \"type\": \"nosuchfs\"}");
	assert_has(res.err.text, "the kernel has no file system \"nosuchfs\"");
}

static void tmpcopyup_brings_the_contents(void **state)
{
	(void)state;
	(void)mkdir(in_dir("rootfs/copied"), 0750);
	(void)mkdir(in_dir("rootfs/copied/d"), 0700);
	assert_int_equal(fixture_write("rootfs/copied/d/f", "inner\n"), 0);
	(void)symlink("d/f", in_dir("rootfs/copied/l"));
	RUN(.shell = "cat /copied/l; stat -c %a /copied /copied/d; touch /copied/n || echo ro; "
		     "grep -c ' /copied .*tmpfs' /proc/self/mountinfo",
	    .mounts =
		    ", {\"destination\": \"/copied\", \"type\": \"tmpfs\", \"source\": \"tmpfs\", "
		    "\"options\": [\"tmpcopyup\", \"ro\"]}");
	assert_int_equal(res.r, 0);
	assert_string_equal(res.out, "inner\n750\n700\nro\n1\n");
}

static void overlay_with_many_layers(void **state)
{
	char mounts[4096], lower[2048] = "";

	(void)state;
	for (int i = 0; i < 12; i++) {
		char path[64];

		(void)snprintf(path, sizeof(path), "layer-with-a-long-name-%d", i);
		(void)mkdir(in_dir(path), 0755);
		(void)snprintf(lower + strlen(lower), sizeof(lower) - strlen(lower), "%s%s",
			       i ? ":" : "", in_dir(path));
	}
	assert_int_equal(fixture_write("layer-with-a-long-name-11/bottom", "deep\n"), 0);
	(void)snprintf(mounts, sizeof(mounts),
		       ", {\"destination\": \"/o\", \"type\": \"overlay\", \"source\": "
		       "\"overlay\", \"options\": "
		       "[\"lowerdir=%s\", \"nodev\"]}",
		       lower);
	RUN(.shell = "cat /o/bottom; grep -o ' /o [a-z,]*' /proc/self/mountinfo", .mounts = mounts);
	if (res.r == -ENODEV) /* this kernel has no overlay */
		skip();
	assert_int_equal(res.r, 0);
	assert_has(res.out, "deep\n /o ");
	assert_has(res.out, "nodev");
}

static void idmapped_bind_shifts_owners(void **state)
{
	(void)state;
	(void)mkdir(in_dir("mapped"), 0755);
	assert_int_equal(fixture_write("mapped/f", ""), 0);
	RUN(.shell = "stat -c %u:%g /m/f; touch /m/new",
	    .mounts = ", {\"destination\": \"/m\", \"type\": \"bind\", \"source\": \"mapped\", "
		      "\"options\": [\"bind\"], "
		      "\"uidMappings\": [{\"containerID\": 0, \"hostID\": 5000, \"size\": 1000}], "
		      "\"gidMappings\": [{\"containerID\": 0, \"hostID\": 6000, \"size\": 1000}]}");
	if (res.r == -EINVAL && strstr(res.err.text, "map ids"))
		skip();
	assert_int_equal(res.r, 0);
	assert_string_equal(res.out, "5000:6000\n");
}

static void masked_and_read_only_paths(void **state)
{
	(void)state;
	RUN(.shell = "cat /proc/kcore | wc -c; ls /proc/scsi /proc/acpi 2>/dev/null | grep -vc :; "
		     "echo 1 > /proc/sys/kernel/domainname || echo denied; ls /data; wc -c < "
		     "/etc/passwd; "
		     "touch /data/x || echo masked; umount /proc/kcore || echo locked",
	    .linux_ = ", \"maskedPaths\": [\"/proc/kcore\", \"/proc/acpi\", \"/proc/scsi\", "
		      "\"/no/such\", \"/data\", "
		      "\"/etc/passwd\"], \"readonlyPaths\": [\"/proc/sys\", \"/not/there\"]");
	assert_int_equal(res.r, 0);
	assert_has(res.out, "0\n");
	assert_has(res.out, "denied\n0\nmasked\nlocked\n");
}

static void the_root_can_be_read_only(void **state)
{
	(void)state;
	RUN(.shell = "touch /x || echo ro; touch /dev/shm/x && echo shm; touch /tmp/x || echo ro",
	    .read_only = true);
	assert_string_equal(res.out, "ro\nshm\nro\n");
}

static void sysctls_are_set(void **state)
{
	(void)state;
	RUN(.shell = "cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/shmmni",
	    .linux_ = ", \"sysctl\": {\"net.ipv4.ip_forward\": \"1\", \"kernel/shmmni\": \"99\"}");
	assert_int_equal(res.r, 0);
	assert_string_equal(res.out, "1\n99\n");
	RUN(.linux_ = ", \"sysctl\": {\"net.no_such_thing\": \"1\"}");
	assert_has(res.err.text, "sysctl net.no_such_thing: No such file or directory");
	RUN(.linux_ = ", \"sysctl\": {\"../../etc/passwd\": \"1\"}");
	assert_true(res.r < 0);
}

static void rlimits_are_set(void **state)
{
	(void)state;
	RUN(.shell = "ulimit -n; ulimit -Hn; ulimit -c",
	    .process = "\"rlimits\": [{\"type\": \"RLIMIT_NOFILE\", \"soft\": 11, \"hard\": 12}, "
		       "{\"type\": \"RLIMIT_CORE\", \"soft\": 0, \"hard\": 0}],");
	assert_int_equal(res.r, 0);
	assert_string_equal(res.out, "11\n12\n0\n");
	RUN(.process = "\"rlimits\": [{\"type\": \"RLIMIT_WRONG\", \"soft\": 11, \"hard\": 12}],");
	assert_has(res.err.text, "unknown rlimit \"RLIMIT_WRONG\"");
}

static void oom_score_and_io_priority(void **state)
{
	(void)state;
	RUN(.shell = "cat /proc/self/oom_score_adj; nproc > /dev/null; grep NoNewPrivs "
		     "/proc/self/status",
	    .process = "\"oomScoreAdj\": 321, \"noNewPrivileges\": true, "
		       "\"ioPriority\": {\"class\": \"IOPRIO_CLASS_BE\", \"priority\": 6}, "
		       "\"scheduler\": {\"policy\": \"SCHED_BATCH\", \"nice\": 3},");
	assert_int_equal(res.r, 0);
	assert_string_equal(res.out, "321\nNoNewPrivs:\t1\n");
}

static void personality_reaches_execs_too(void **state)
{
	(void)state;
	RUN(.shell = "busybox uname -m; read x", .input = "\n",
	    .linux_ = ", \"personality\": {\"domain\": \"LINUX32\"}",
	    .exec = "{\"args\": [\"busybox\", \"uname\", \"-m\"], \"cwd\": \"/\", "
		    "\"env\": [\"PATH=/bin\"]}");
	assert_int_equal(res.r, 0);
#ifdef __x86_64__
	assert_string_equal(res.out, "i686\n");
	assert_string_equal(res.exec_out, "i686\n");
#endif
	RUN(.linux_ = ", \"personality\": {\"domain\": \"BSD\"}");
	assert_has(res.err.text, "unknown personality \"BSD\"");
}

static void a_mount_can_be_changed_by_a_later_one(void **state)
{
	(void)state;
	RUN(.shell =
		    "touch /dev/shm/x || echo ro; grep -o ' /dev/shm [a-z,]*' /proc/self/mountinfo",
	    .mounts = ", {\"destination\": \"/dev/shm\", \"options\": [\"remount\", \"ro\"]}");
	assert_int_equal(res.r, 0);
	assert_string_equal(res.out, "ro\n /dev/shm ro,nosuid,nodev,noexec,relatime\n");
}

static void a_bind_keeps_read_only_in_a_user_namespace(void **state)
{
	(void)state;
	RUN(.shell = "cat /data/file; touch /data/x || echo ro; stat -c %u /data/file; mount -o "
		     "remount,rw,bind /data || "
		     "echo refused",
	    .mounts = mount_json("/data", in_dir("volume"), "\"rbind\", \"ro\""),
	    .namespaces = "[{\"type\": \"pid\"}, {\"type\": \"mount\"}, {\"type\": \"user\"}]",
	    .linux_ = ", \"uidMappings\": [{\"containerID\": 0, \"hostID\": 100000, \"size\": 9}], "
		      "\"gidMappings\": [{\"containerID\": 0, \"hostID\": 100000, \"size\": 9}]");
	assert_int_equal(res.r, 0);
	assert_string_equal(res.out, "more\nro\n65534\nrefused\n");
	/* "idmap" without mappings of its own takes those of the container */
	RUN(.shell = "stat -c %u /data/file",
	    .mounts = mount_json("/data", in_dir("volume"), "\"bind\", \"idmap\""),
	    .namespaces = "[{\"type\": \"pid\"}, {\"type\": \"mount\"}, {\"type\": \"user\"}]",
	    .linux_ = ", \"uidMappings\": [{\"containerID\": 0, \"hostID\": 100000, \"size\": 9}], "
		      "\"gidMappings\": [{\"containerID\": 0, \"hostID\": 100000, \"size\": 9}]");
	if (res.r == -EINVAL && strstr(res.err.text, "map ids"))
		skip();
	assert_int_equal(res.r, 0);
	assert_string_equal(res.out, "0\n");
}

static void seccomp_denies_what_it_should(void **state)
{
	static const char profile[] = ", \"seccomp\": {\"defaultAction\": \"SCMP_ACT_ALLOW\", "
				      "\"architectures\": [\"SCMP_ARCH_X86_64\", "
				      "\"SCMP_ARCH_X86\", \"SCMP_ARCH_X32\"], \"syscalls\": ["
				      "{\"names\": [\"mkdir\", \"mkdirat\", \"no_such_call\"], "
				      "\"action\": \"SCMP_ACT_ERRNO\", \"errnoRet\": 95},"
				      "{\"names\": [\"uname\"], \"action\": \"SCMP_ACT_ALLOW\"},"
				      "{\"names\": [\"kill\"], \"action\": \"SCMP_ACT_ERRNO\", "
				      "\"args\": [{\"index\": 1, \"value\": 10, "
				      "\"op\": \"SCMP_CMP_EQ\"}]}]}";

	(void)state;
	RUN(.shell = "mkdir /tmp/q; kill -10 $$ || echo no; grep Seccomp: /proc/self/status; "
		     "grep CapEff /proc/self/status",
	    .linux_ = profile);
	assert_int_equal(res.r, 0);
	assert_has(res.errors, "not supported"); /* 95 is EOPNOTSUPP */
	assert_has(res.out, "no\nSeccomp:\t2\nCapEff:\t00000000080020eb\n");
	/*
	 * an exec is under the same filter, and without new privileges it is loaded as an ordinary
	 * user
	 */
	RUN(.shell = "read x", .input = "\n", .linux_ = profile,
	    .exec = "{\"args\": [\"sh\", \"-c\", \"mkdir /tmp/q; grep Seccomp: "
		    "/proc/self/status\"], \"cwd\": \"/\", "
		    "\"env\": [\"PATH=/bin\"], \"user\": {\"uid\": 1, \"gid\": 1}, "
		    "\"noNewPrivileges\": true}");
	assert_has(res.exec_out, "Seccomp:\t2\n");
	RUN(.linux_ = ", \"seccomp\": {\"defaultAction\": \"SCMP_ACT_NOTIFY\"}");
	assert_int_equal(res.r, -ENOTSUP);
	assert_has(res.err.text, "SCMP_ACT_NOTIFY");
}

static void labels_without_a_module_are_refused(void **state)
{
	(void)state;
	if (access("/sys/fs/selinux/enforce", F_OK) == 0 ||
	    access("/sys/kernel/security/apparmor", F_OK) == 0)
		skip();
	RUN(.process = "\"apparmorProfile\": \"docker-default\",");
	assert_int_equal(res.r, -ENOTSUP);
	assert_has(res.err.text,
		   "AppArmor profile docker-default, the guest kernel has no AppArmor");
	RUN(.process = "\"selinuxLabel\": \"system_u:system_r:container_t:s0\",");
	assert_has(res.err.text, "the guest kernel has no SELinux");
	RUN(.process = "\"apparmorProfile\": \"unconfined\",");
	assert_int_equal(res.r, 0);
}

static void look_at_cgroup(struct container *c, struct fixture_run *run)
{
	struct agent_cgroup_stats *stats = NULL;
	struct arena *arena;
	struct err err;
	pid_t *pids;
	size_t nr;
	char byte;

	(void)run;
	assert_int_equal(fiber_read(c->init->stdout_fd, &byte, 1, loop_deadline_ms(20000)), 1);
	assert_int_equal(arena_new(&arena), 0);
	assert_int_equal(container_pids(c, arena, &pids, &nr, &err), 0);
	assert_true(nr == 2);
	assert_int_equal(container_stats(c, arena, &stats, &err), 0);
	assert_true(stats->cpu_stats->cpu_usage->total_usage > 0);
	assert_int_equal(container_pause(c, loop_deadline_ms(20000), &err), 0);
	assert_int_equal(c->state, CONTAINER_STATE_PAUSED);
	assert_int_equal(container_pause(c, loop_deadline_ms(20000), &err), -EINVAL);
	assert_int_equal(container_resume(c, loop_deadline_ms(20000), &err), 0);
	assert_int_equal(c->state, CONTAINER_STATE_RUNNING);
	assert_int_equal(container_pause(c, loop_deadline_ms(20000), &err), 0);
	assert_int_equal(container_kill_all(c, &err), 0); /* works on frozen ones too */
	(void)arena_free(arena);
}

static void cgroup_pauses_counts_and_kills(void **state)
{
	(void)state;
	if (!fixture_cgroup_root())
		skip();
	RUN(.shell = "sleep 1000 & echo; wait", .running = look_at_cgroup, .cgroup = true,
	    .linux_ = ", \"cgroupsPath\": \"kata.slice:unit:test\"");
	assert_int_equal(res.r, 0);
	assert_int_equal(res.exit_code, 137);
	char path[256];
	(void)snprintf(path, sizeof(path), "%s/kata.slice/unit-test", fixture_cgroup_root());
	assert_int_not_equal(access(path, F_OK), 0);
	(void)snprintf(path, sizeof(path), "%s/kata.slice", fixture_cgroup_root());
	(void)rmdir(path);
}

static void cgroup_decides_on_devices(void **state)
{
	(void)state;
	if (!fixture_cgroup_root())
		skip();
	/* mknod is allowed by default, opening is not; what is listed may be opened */
	RUN(.shell = "mknod /tmp/net c 10 200; true < /tmp/net || echo denied; head -c 4 /dev/zero "
		     "| wc -c; "
		     "mknod /tmp/zero c 1 5; head -c 4 /tmp/zero | wc -c; head -c 1 /dev/port || "
		     "echo denied; "
		     "rm /tmp/net /tmp/zero",
	    .cgroup = true,
	    .linux_ = ", \"devices\": [{\"path\": \"/dev/port\", \"type\": \"c\", \"major\": 1, "
		      "\"minor\": 4}], "
		      "\"resources\": {\"devices\": [{\"allow\": false, \"access\": \"rwm\"}]}");
	assert_int_equal(res.r, 0);
	assert_string_equal(res.out, "denied\n4\n4\ndenied\n");
	RUN(.shell = "mknod /tmp/net c 10 200; true < /tmp/net && echo fine; true > /tmp/net || "
		     "echo denied; rm /tmp/net",
	    .cgroup = true,
	    .linux_ = ", \"resources\": {\"devices\": [{\"allow\": false, \"access\": \"rwm\"}, "
		      "{\"allow\": true, "
		      "\"type\": \"c\", \"major\": 10, \"minor\": 200, \"access\": \"r\"}]}");
	assert_string_equal(res.out, "fine\ndenied\n");
}

static void cgroup_mount_shows_its_own_part(void **state)
{
	(void)state;
	if (!fixture_cgroup_root())
		skip();
	RUN(.shell = "cat /sys/fs/cgroup/cgroup.procs | wc -l; cat /proc/self/cgroup | grep ^0:; "
		     "touch /sys/fs/cgroup/x 2>/dev/null || echo ro; cat "
		     "/sys/fs/cgroup/cgroup.events | head -1",
	    .cgroup = true,
	    .namespaces = "[{\"type\": \"pid\"}, {\"type\": \"mount\"}, {\"type\": \"cgroup\"}]",
	    .mounts = ", {\"destination\": \"/sys/fs/cgroup\", \"type\": \"cgroup\", \"source\": "
		      "\"cgroup\", "
		      "\"options\": [\"nosuid\", \"noexec\", \"nodev\", \"relatime\", \"ro\"]}");
	assert_int_equal(res.r, 0);
	assert_has(res.out, "0::/\n");
	assert_has(res.out, "ro\npopulated 1\n");
	RUN(.shell = "cat /sys/fs/cgroup/cgroup.events | head -1", .cgroup = true,
	    .namespaces = "[{\"type\": \"pid\"}, {\"type\": \"mount\"}]",
	    .mounts = ", {\"destination\": \"/sys/fs/cgroup\", \"type\": \"cgroup\", \"source\": "
		      "\"cgroup\", "
		      "\"options\": [\"ro\"]}");
	assert_string_equal(res.out, "populated 1\n");
}

static void wrong_cgroup_paths_are_refused(void **state)
{
	(void)state;
	if (!fixture_cgroup_root())
		skip();
	RUN(.cgroup = true, .linux_ = ", \"cgroupsPath\": \"/a/../../b\"");
	assert_int_equal(res.r, -EINVAL);
	RUN(.cgroup = true, .linux_ = ", \"cgroupsPath\": \"/\"");
	assert_int_equal(res.r, -EINVAL);
	RUN(.cgroup = true,
	    .linux_ = ", \"resources\": {\"unified\": {\"../cgroup.procs\": \"1\"}}");
	assert_int_equal(res.r, -EINVAL);
	char path[256];
	(void)snprintf(path, sizeof(path), "%s/a", fixture_cgroup_root());
	(void)rmdir(path);
}

static void shared_propagation_of_the_root(void **state)
{
	(void)state;
	RUN(.shell = "grep ' / / ' /proc/self/mountinfo; head -1 /proc/self/mountinfo",
	    .linux_ = ", \"rootfsPropagation\": \"rshared\"");
	assert_int_equal(res.r, 0);
	assert_has(res.out, "shared:");
	RUN(.shell = "head -1 /proc/self/mountinfo",
	    .linux_ = ", \"rootfsPropagation\": \"sideways\"");
	assert_has(res.err.text, "unknown rootfsPropagation \"sideways\"");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(device_nodes_and_links_are_there),
		cmocka_unit_test(dev_that_is_a_link_is_refused),
		cmocka_unit_test(binds_have_their_options),
		cmocka_unit_test(recursive_read_only_reaches_submounts),
		cmocka_unit_test(links_do_not_lead_out),
		cmocka_unit_test(tmpfs_takes_its_options),
		cmocka_unit_test(tmpcopyup_brings_the_contents),
		cmocka_unit_test(overlay_with_many_layers),
		cmocka_unit_test(idmapped_bind_shifts_owners),
		cmocka_unit_test(masked_and_read_only_paths),
		cmocka_unit_test(the_root_can_be_read_only),
		cmocka_unit_test(sysctls_are_set),
		cmocka_unit_test(rlimits_are_set),
		cmocka_unit_test(oom_score_and_io_priority),
		cmocka_unit_test(personality_reaches_execs_too),
		cmocka_unit_test(a_mount_can_be_changed_by_a_later_one),
		cmocka_unit_test(a_bind_keeps_read_only_in_a_user_namespace),
		cmocka_unit_test(seccomp_denies_what_it_should),
		cmocka_unit_test(labels_without_a_module_are_refused),
		cmocka_unit_test(cgroup_pauses_counts_and_kills),
		cmocka_unit_test(cgroup_decides_on_devices),
		cmocka_unit_test(cgroup_mount_shows_its_own_part),
		cmocka_unit_test(wrong_cgroup_paths_are_refused),
		cmocka_unit_test(shared_propagation_of_the_root),
	};

	if (!fixture_can_run()) {
		(void)fprintf(stderr, "skipped: needs root and /bin/busybox\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
