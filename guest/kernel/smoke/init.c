/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The /init of the kernel smoke test: asks the running kernel, by using it, for
 * everything a pod needs, prints one TAP line per question on the console and
 * powers the machine off.
 *
 * It is not the agent and not a container: one static program, one process
 * unless a check needs a child.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <linux/io_uring.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/seccomp.h>
#include <linux/veth.h>
#include <linux/vm_sockets.h>
#include <mqueue.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

static int nr_checks;
static int nr_failed;

/* Prints the TAP line of one check; errno says why when @good is false. */
static void check(bool good, const char *what, const char *name)
{
	int e = errno;

	nr_checks++;
	if (good) {
		printf("ok %d - %s %s\n", nr_checks, what, name);
		return;
	}
	nr_failed++;
	printf("not ok %d - %s %s # %s\n", nr_checks, what, name, e ? strerror(e) : "absent");
}

/* Reads a small text file; an unreadable file is the empty string. */
static const char *slurp(const char *path)
{
	static char buf[65536];
	size_t len = 0;
	ssize_t n = -1;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd >= 0) {
		while (len < sizeof(buf) - 1 &&
		       (n = read(fd, buf + len, sizeof(buf) - 1 - len)) > 0)
			len += (size_t)n;
		close(fd);
	}
	buf[len] = '\0';
	return buf;
}

/* Is @word one of the white-space separated words of @text? */
static bool has_word(const char *text, const char *word)
{
	size_t len = strlen(word);
	const char *p = text;

	while ((p = strstr(p, word)) != NULL) {
		bool head = p == text || strchr(" \t\n", p[-1]) != NULL;

		if (head && (p[len] == '\0' || strchr(" \t\n", p[len]) != NULL))
			return true;
		p += len;
	}
	return false;
}

static void check_words(const char *path, const char *what, const char *const *words)
{
	const char *text = slurp(path);

	for (; *words != NULL; words++) {
		errno = 0;
		check(has_word(text, *words), what, *words);
	}
}

/*
 * Asks for each file system, which loads it where it is a module: what there is not to mount fails
 * with anything but ENODEV.
 */
static void check_filesystems(const char *const *names)
{
	for (; *names != NULL; names++) {
		errno = 0;
		(void)mount("none", "/mnt", *names, 0, NULL); /* errno is what counts */
		check(errno != ENODEV, "filesystem", *names);
		(void)umount("/mnt");
	}
}

static void check_path(const char *what, const char *path)
{
	errno = 0;
	check(access(path, F_OK) == 0, what, path);
}

static void mount_all(void)
{
	static const struct {
		const char *type, *target, *options;
	} mounts[] = {
		{ "proc", "/proc", NULL },
		{ "sysfs", "/sys", NULL },
		{ "devtmpfs", "/dev", NULL },
		{ "tmpfs", "/tmp", "mode=1777" },
		{ "cgroup2", "/sys/fs/cgroup", NULL },
		{ "mqueue", "/dev/mqueue", NULL },
		{ "devpts", "/dev/pts", NULL },
		{ "hugetlbfs", "/tmp/huge", NULL },
		{ "securityfs", "/sys/kernel/security", NULL },
		{ "bpf", "/sys/fs/bpf", NULL },
	};

	for (size_t i = 0; i < sizeof(mounts) / sizeof(mounts[0]); i++) {
		(void)mkdir(mounts[i].target, 0755); /* may exist; the mount tells */
		errno = 0;
		check(mount(mounts[i].type, mounts[i].target, mounts[i].type, 0,
			    mounts[i].options) == 0,
		      "mount", mounts[i].type);
	}
}

static void check_overlay(void)
{
	errno = 0;
	(void)mkdir("/tmp/l", 0755);
	(void)mkdir("/tmp/u", 0755);
	(void)mkdir("/tmp/w", 0755);
	(void)mkdir("/tmp/m", 0755);
	errno = 0;
	check(mount("overlay", "/tmp/m", "overlay", 0,
		    "lowerdir=/tmp/l,upperdir=/tmp/u,workdir=/tmp/w") == 0,
	      "mount", "overlay");
	errno = 0;
	check(setxattr("/tmp/l", "trusted.smoke", "1", 1, 0) == 0, "tmpfs", "trusted.* xattr");
	errno = 0;
	check(setxattr("/tmp/l", "user.smoke", "1", 1, 0) == 0, "tmpfs", "user.* xattr");
}

/* smoke.sh shares a folder with one file in it, by virtio-9p. */
static void check_9p(void)
{
	(void)mkdir("/tmp/9p", 0755);
	errno = 0;
	check(mount("smoke", "/tmp/9p", "9p", MS_RDONLY, "trans=virtio,version=9p2000.L") == 0,
	      "mount", "9p");
	check_path("9p", "/tmp/9p/greeting");
}

/* A node that somebody made is enough to have a loop device. */
static void check_loop(void)
{
	int fd;

	(void)mknod("/tmp/loop3", S_IFBLK | 0600, makedev(7, 3)); /* the opening tells */
	errno = 0;
	fd = open("/tmp/loop3", O_RDWR | O_CLOEXEC);
	check(fd >= 0, "device", "loop, by its node");
	if (fd >= 0)
		close(fd);
}

/* Who may load modules has the kernel do so by asking for an interface of that name. */
static void check_module_of_a_name(const char *name, const char *path)
{
	struct ifreq ifr = { 0 };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	(void)ioctl(fd, SIOCGIFINDEX, &ifr); /* there is none of this name */
	check_path(name, path);
	if (fd >= 0)
		close(fd);
}

static void check_namespaces(void)
{
	static const struct {
		const char *name;
		int flag;
	} ns[] = {
		{ "cgroup", CLONE_NEWCGROUP }, { "ipc", CLONE_NEWIPC }, { "mnt", CLONE_NEWNS },
		{ "net", CLONE_NEWNET },       { "pid", CLONE_NEWPID }, { "time", CLONE_NEWTIME },
		{ "user", CLONE_NEWUSER },     { "uts", CLONE_NEWUTS },
	};

	for (size_t i = 0; i < sizeof(ns) / sizeof(ns[0]); i++) {
		char path[64];
		int status = -1;
		pid_t pid;

		snprintf(path, sizeof(path), "/proc/self/ns/%s", ns[i].name);
		check_path("namespace", path);
		fflush(stdout);
		pid = fork();
		if (pid == 0)
			_exit(unshare(ns[i].flag) == 0 ? 0 : errno);
		if (pid > 0)
			(void)waitpid(pid, &status, 0); /* status stays -1 on failure */
		errno = WIFEXITED(status) ? WEXITSTATUS(status) : ECHILD;
		check(status == 0, "unshare", ns[i].name);
	}
}

static void check_socket(const char *name, int family, int type, int protocol)
{
	int fd;

	errno = 0;
	fd = socket(family, type | SOCK_CLOEXEC, protocol);
	check(fd >= 0, "socket", name);
	if (fd >= 0)
		close(fd);
}

/* Sends one netlink request and returns its acknowledgement as -errno. */
static int netlink_ask(int protocol, struct nlmsghdr *req)
{
	char buf[8192];
	struct nlmsghdr *nlh = (struct nlmsghdr *)buf;
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
	int r = -EPROTO;
	ssize_t n;

	if (fd < 0)
		return -errno;
	req->nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
	if (send(fd, req, req->nlmsg_len, 0) < 0) {
		r = -errno;
		close(fd);
		return r;
	}
	n = recv(fd, buf, sizeof(buf), 0);
	if (n >= (ssize_t)NLMSG_LENGTH(sizeof(struct nlmsgerr)) && nlh->nlmsg_type == NLMSG_ERROR)
		r = ((struct nlmsgerr *)NLMSG_DATA(nlh))->error;
	else if (n >= (ssize_t)sizeof(*nlh) && nlh->nlmsg_type != NLMSG_ERROR)
		r = 0; /* an answer proper, its acknowledgement behind it */
	close(fd);
	return r;
}

static struct rtattr *put(struct nlmsghdr *nlh, unsigned short type, const void *data, size_t len)
{
	struct rtattr *a = (struct rtattr *)((char *)nlh + NLMSG_ALIGN(nlh->nlmsg_len));

	a->rta_type = type;
	a->rta_len = (unsigned short)RTA_LENGTH(len);
	if (len > 0)
		memcpy(RTA_DATA(a), data, len);
	nlh->nlmsg_len = NLMSG_ALIGN(nlh->nlmsg_len) + RTA_ALIGN(a->rta_len);
	return a;
}

static void put_end(struct nlmsghdr *nlh, struct rtattr *nest)
{
	nest->rta_len = (unsigned short)((char *)nlh + nlh->nlmsg_len - (char *)nest);
}

/* The link that a link of @kind sits on. A macvlan takes its parent for itself. */
static const char *parent_of(const char *kind)
{
	if (strcmp(kind, "macvlan") == 0)
		return "dummy9";
	if (strcmp(kind, "ipvlan") == 0 || strcmp(kind, "vlan") == 0)
		return "veth9";
	return NULL;
}

static void check_link(const char *kind)
{
	struct {
		struct nlmsghdr nlh;
		struct ifinfomsg ifi;
		char attrs[512];
	} req = { .nlh = { .nlmsg_len = NLMSG_LENGTH(sizeof(struct ifinfomsg)),
			   .nlmsg_type = RTM_NEWLINK,
			   .nlmsg_flags = NLM_F_CREATE | NLM_F_EXCL } };
	const char *parent = parent_of(kind);
	char name[IFNAMSIZ];
	struct rtattr *info;
	int r;

	snprintf(name, sizeof(name), "%.13s9", kind);
	put(&req.nlh, IFLA_IFNAME, name, strlen(name) + 1);
	if (parent != NULL) {
		unsigned int index = if_nametoindex(parent);

		put(&req.nlh, IFLA_LINK, &index, sizeof(index));
	}
	info = put(&req.nlh, IFLA_LINKINFO, NULL, 0);
	put(&req.nlh, IFLA_INFO_KIND, kind, strlen(kind) + 1);
	if (strcmp(kind, "vxlan") == 0 || strcmp(kind, "vlan") == 0 || strcmp(kind, "vrf") == 0) {
		struct rtattr *data = put(&req.nlh, IFLA_INFO_DATA, NULL, 0);
		unsigned int id = 42;

		/* IFLA_VXLAN_ID, IFLA_VLAN_ID and IFLA_VRF_TABLE are all 1; the lengths differ. */
		put(&req.nlh, IFLA_VXLAN_ID, &id, strcmp(kind, "vlan") == 0 ? 2 : 4);
		put_end(&req.nlh, data);
	}
	put_end(&req.nlh, info);
	r = netlink_ask(NETLINK_ROUTE, &req.nlh);
	if (r == -EEXIST)
		r = 0; /* a driver of tunnels has made the one that names nobody by itself */
	errno = -r;
	check(r == 0, "link", kind);
}

static void check_nft(void)
{
	struct {
		struct nlmsghdr nlh;
		struct nfgenmsg gen;
	} req = { .nlh = { .nlmsg_len = sizeof(req),
			   .nlmsg_type = (NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_GETGEN } };
	int r = netlink_ask(NETLINK_NETFILTER, &req.nlh);

	errno = -r;
	check(r == 0, "netfilter", "nf_tables");
}

/*
 * The legacy tables answer IPT_SO_GET_INFO (64, the same number in both
 * families) with their hooks. Asking also creates a table of this namespace.
 */
static void check_iptables(int family, int level, const char *label)
{
	static const char *const tables[] = { "filter", "nat", "mangle", "raw" };
	int fd = socket(family, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);

	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
		char info[84] = { 0 };
		char name[32];
		socklen_t len = sizeof(info);

		snprintf(info, 32, "%s", tables[i]);
		snprintf(name, sizeof(name), "%s %s", label, tables[i]);
		errno = 0;
		check(getsockopt(fd, level, 64, info, &len) == 0, "netfilter", name);
	}
	if (fd >= 0)
		close(fd);
}

static void check_tun(void)
{
	struct ifreq ifr = { .ifr_name = "tap9", .ifr_flags = IFF_TAP | IFF_NO_PI };
	int fd;

	(void)mkdir("/dev/net", 0755); /* devtmpfs has it already */
	errno = 0;
	fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	check(fd >= 0 && ioctl(fd, TUNSETIFF, &ifr) == 0, "link", "tap");
	if (fd >= 0)
		close(fd);
}

/* Loads and attaches "return 1", the device program that allows everything. */
static void check_bpf_devices(void)
{
	struct bpf_insn prog[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 1 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	union bpf_attr load = { .prog_type = BPF_PROG_TYPE_CGROUP_DEVICE,
				.insns = (unsigned long)prog,
				.insn_cnt = 2,
				.license = (unsigned long)"GPL" };
	union bpf_attr attach = { .attach_type = BPF_CGROUP_DEVICE };
	int cgroup, fd;

	errno = 0;
	fd = (int)syscall(SYS_bpf, BPF_PROG_LOAD, &load, sizeof(load));
	check(fd >= 0, "bpf", "load a cgroup device program");
	(void)mkdir("/sys/fs/cgroup/smoke", 0755);
	errno = 0;
	cgroup = open("/sys/fs/cgroup/smoke", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	attach.target_fd = (unsigned int)cgroup;
	attach.attach_bpf_fd = (unsigned int)fd;
	check(cgroup >= 0 && syscall(SYS_bpf, BPF_PROG_ATTACH, &attach, sizeof(attach)) == 0, "bpf",
	      "attach a cgroup device program");
}

/* getpid(2) through int 0x80: the way a 32-bit program enters the kernel. */
static void check_ia32(void)
{
#ifdef __x86_64__
	long r = -1;
	int status = -1;
	pid_t pid;

	fflush(stdout);
	pid = fork(); /* without the entry point, the instruction is a SIGSEGV */
	if (pid == 0) {
		__asm__ volatile("int $0x80"
				 : "=a"(r)
				 : "a"(20)
				 : "memory", "r8", "r9", "r10", "r11");
		_exit(r == getpid() ? 0 : 1);
	}
	if (pid > 0)
		(void)waitpid(pid, &status, 0);
	errno = 0;
	check(status == 0, "syscall", "32-bit entry");
#endif
}

static void check_syscalls(void)
{
	struct io_uring_params params = { 0 };
	unsigned int action = SECCOMP_RET_USER_NOTIF;
	mqd_t mq;

	errno = 0;
	check(syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0, "seccomp",
	      "user notification");
	errno = 0;
	check(syscall(SYS_landlock_create_ruleset, NULL, 0, 1) >= 1, "landlock", "ruleset");
	errno = 0;
	check(syscall(SYS_io_uring_setup, 4, &params) >= 0, "syscall", "io_uring_setup");
	errno = 0;
	check(syscall(SYS_memfd_create, "smoke", 0) >= 0, "syscall", "memfd_create");
	errno = 0;
	check(syscall(SYS_userfaultfd, O_CLOEXEC) >= 0, "syscall", "userfaultfd");
	errno = 0;
	check(syscall(SYS_keyctl, 0, -3, 1) >= 0, "syscall", "keyctl");
	errno = 0;
	check(syscall(SYS_pidfd_open, getpid(), 0) >= 0, "syscall", "pidfd_open");
	errno = 0;
	check(syscall(SYS_fanotify_init, 0, O_RDONLY) >= 0, "syscall", "fanotify_init");
	errno = 0;
	check(syscall(SYS_shmget, 0, 4096, 01600) >= 0, "syscall", "shmget");
	errno = 0;
	mq = mq_open("/smoke", O_CREAT | O_RDWR, 0600, NULL);
	check(mq >= 0, "syscall", "mq_open");
	check_ia32();
}

/* Waits up to ten seconds for @path to come (or go): devices take their time. */
static bool wait_path(const char *path, bool present)
{
	for (int i = 0; i < 500; i++) {
		if ((access(path, F_OK) == 0) == present)
			return true;
		(void)usleep(20000); /* woken early, it only looks sooner */
	}
	return false;
}

static long mem_total_kib(void)
{
	const char *p = strstr(slurp("/proc/meminfo"), "MemTotal:");

	return p != NULL ? strtol(p + strlen("MemTotal:"), NULL, 10) : 0;
}

/* smoke.sh answers "# plug" and "# unplug" on the console with QMP commands. */
static void check_hotplug(void)
{
	static const char cpu[] = "/sys/devices/system/cpu/cpu1/online";
	long before = mem_total_kib();
	int fd;

	printf("# plug\n");
	errno = 0;
	check(wait_path("/dev/vdb", true), "hot-plug", "disk");
	for (int i = 0; i < 500 && mem_total_kib() == before; i++)
		(void)usleep(20000); /* as above */
	check(mem_total_kib() > before, "hot-plug", "memory, online by itself");
	(void)wait_path(cpu, true);
	fd = open(cpu, O_WRONLY | O_CLOEXEC);
	errno = 0;
	check(fd >= 0 && write(fd, "1", 1) == 1, "hot-plug", "processor goes online");
	if (fd >= 0)
		close(fd);
	printf("# unplug\n");
	errno = 0;
	check(wait_path("/dev/vdb", false), "hot-unplug", "disk");
}

/*
 * Every check under one name; the expected words are the contract of
 * guest/kernel with the agent and its containers.
 */
static void check_kernel(void)
{
	static const char *const controllers[] = { "cpuset", "cpu",  "io",   "memory", "hugetlb",
						   "pids",   "rdma", "misc", NULL };
	static const char *const filesystems[] = { "cgroup2", "devpts",	  "devtmpfs", "ext2",
						   "ext3",    "ext4",	  "fuse",     "hugetlbfs",
						   "mqueue",  "overlay",  "proc",     "sysfs",
						   "tmpfs",   "virtiofs", NULL };
	static const char *const loaded[] = { "9p",	  "binfmt_misc", "btrfs", "cifs",
					      "erofs",	  "iso9660",	 "nfs",	  "nfs4",
					      "squashfs", "vfat",	 "xfs",	  NULL };
	static const char *const paths[] = { "/proc/config.gz",
					     "/proc/pressure/cpu",
					     "/proc/pressure/memory",
					     "/proc/self/pagemap",
					     "/proc/self/timens_offsets",
					     "/proc/swaps",
					     "/proc/sys/net/ipv4/ip_forward",
					     "/proc/sys/net/ipv6/conf/all/forwarding",
					     "/proc/sys/net/netfilter/nf_conntrack_max",
					     "/proc/sys/kernel/seccomp",
					     "/sys/bus/virtio/drivers/virtio_blk",
					     "/sys/bus/virtio/drivers/virtio_net",
					     "/sys/bus/virtio/drivers/virtio_console",
					     "/sys/bus/virtio/drivers/virtio_rng",
					     "/sys/bus/virtio/drivers/virtio_balloon",
					     "/sys/bus/virtio/drivers/virtio_mem",
					     "/sys/bus/virtio/drivers/virtiofs",
					     "/sys/bus/virtio/drivers/vmw_vsock_virtio_transport",
					     "/sys/bus/pci/drivers/virtio-pci",
					     "/sys/bus/pci/slots",
					     "/sys/devices/system/cpu/hotplug",
					     "/sys/kernel/mm/transparent_hugepage",
					     "/sys/fs/ext4/features",
					     "/dev/kmsg",
					     "/dev/loop-control",
					     "/dev/mapper/control",
					     "/dev/fuse",
					     "/dev/hwrng",
					     "/dev/vport0p1",
					     "/dev/hvc0",
					     "/dev/ttyS0",
					     "/dev/vda",
					     NULL };
	static const char *const kinds[] = { "dummy",  "bridge", "veth",      "macvlan", "ipvlan",
					     "vlan",   "vxlan",	 "wireguard", "bond",	 "ifb",
					     "vrf",    "ipip",	 "gre",	      "ip6gre",	 "sit",
					     "ip6tnl", NULL };

	check_words("/sys/fs/cgroup/cgroup.controllers", "cgroup", controllers);
	check_words("/proc/filesystems", "filesystem", filesystems);
	check_filesystems(loaded);
	for (size_t i = 0; paths[i] != NULL; i++)
		check_path("path", paths[i]);
	check_namespaces();
	check_overlay();
	check_9p();
	check_loop();
	check_socket("mptcp", AF_INET, SOCK_STREAM, IPPROTO_MPTCP);
	check_socket("vsock", AF_VSOCK, SOCK_STREAM, 0);
	check_socket("packet", AF_PACKET, SOCK_RAW, 0);
	check_socket("inet6", AF_INET6, SOCK_STREAM, 0);
	check_socket("icmp6", AF_INET6, SOCK_RAW, IPPROTO_ICMPV6);
	check_socket("sock_diag", AF_NETLINK, SOCK_RAW, NETLINK_SOCK_DIAG);
	for (size_t i = 0; kinds[i] != NULL; i++)
		check_link(kinds[i]);
	check_tun();
	check_module_of_a_name("br_netfilter", "/proc/sys/net/bridge/bridge-nf-call-iptables");
	check_nft();
	check_iptables(AF_INET, IPPROTO_IP, "iptables");
	check_iptables(AF_INET6, IPPROTO_IPV6, "ip6tables");
	check_bpf_devices();
	check_syscalls();
}

int main(void)
{
	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	printf("\nTAP version 13\n");
	mount_all();
	check_kernel();
	check_hotplug();
	printf("1..%d\n# failed %d\n", nr_checks, nr_failed);
	fflush(stdout);
	sync();
	(void)reboot(RB_POWER_OFF);
	return 1;
}
