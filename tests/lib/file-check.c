/* SPDX-License-Identifier: Apache-2.0 */
/*
 * file-check DIR: what programs expect of a file system beyond reading and writing. One line per
 * check, "ok <check>" or "not ok <check>: why"; exit status 1 when one failed. Linked statically,
 * so that it runs in any root file system.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#define PAGES 16
#define EVENT_MS 10000

static int bad;

/* Ends a check that does not hold. */
#define CHECK(condition)                                                                       \
	do {                                                                                   \
		if (!(condition)) {                                                            \
			printf("not ok %s: line %d: %s: %s\n", __func__, __LINE__, #condition, \
			       strerror(errno));                                               \
			bad = 1;                                                               \
			return;                                                                \
		}                                                                              \
	} while (0)
#define DONE() printf("ok %s\n", __func__)

static int make(const char *name, const char *text)
{
	int fd = open(name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd >= 0 && write(fd, text, strlen(text)) != (ssize_t)strlen(text)) {
		(void)close(fd);
		return -1;
	}
	return fd;
}

/* What one mapping writes, another one and read(2) see, also after the file grew. */
static void shared_mappings(void)
{
	long page = sysconf(_SC_PAGESIZE);
	int fd = make("mapped", "");
	char buf[8] = "";

	CHECK(fd >= 0);
	CHECK(ftruncate(fd, PAGES * page) == 0);
	char *a = mmap(NULL, PAGES * page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	char *b = mmap(NULL, PAGES * page, PROT_READ, MAP_SHARED, fd, 0);
	CHECK(a != MAP_FAILED && b != MAP_FAILED);
	for (int i = 0; i < PAGES; i++)
		memcpy(a + i * page + 1, "mapped", 6);
	CHECK(memcmp(b + (PAGES - 1) * page + 1, "mapped", 6) == 0);
	CHECK(msync(a, PAGES * page, MS_SYNC) == 0);
	CHECK(pread(fd, buf, 6, (PAGES - 1) * page + 1) == 6 && strcmp(buf, "mapped") == 0);
	CHECK(pwrite(fd, "writes", 6, 1) == 6);
	CHECK(memcmp(b + 1, "writes", 6) == 0);
	(void)close(fd);
	DONE();
}

static void private_mappings(void)
{
	int fd = make("private", "original");
	char buf[16] = "";

	CHECK(fd >= 0);
	char *map = mmap(NULL, 8, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	CHECK(map != MAP_FAILED);
	memcpy(map, "changed!", 8);
	CHECK(pread(fd, buf, 8, 0) == 8 && strcmp(buf, "original") == 0);
	(void)close(fd);
	DONE();
}

/* Runs @fn in another process; its exit status, or -1. */
static int elsewhere(int (*fn)(void))
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0)
		_exit(fn());
	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int try_record_lock(void)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 5, .l_len = 10 };
	int fd = open("locked", O_RDWR | O_CLOEXEC);

	return fd < 0 ? 9 : fcntl(fd, F_SETLK, &lock) == 0 ? 0 : errno == EAGAIN ? 1 : 8;
}

static void record_locks(void)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 6 };
	int fd = make("locked", "0123456789");

	CHECK(fd >= 0);
	CHECK(fcntl(fd, F_SETLK, &lock) == 0);
	CHECK(elsewhere(try_record_lock) == 1);
	lock.l_type = F_UNLCK;
	CHECK(fcntl(fd, F_SETLK, &lock) == 0);
	CHECK(elsewhere(try_record_lock) == 0);
	(void)close(fd);
	DONE();
}

static int try_flock(void)
{
	int fd = open("flocked", O_RDWR | O_CLOEXEC);

	return fd < 0 ? 9 : flock(fd, LOCK_EX | LOCK_NB) == 0 ? 0 : errno == EWOULDBLOCK ? 1 : 8;
}

static void whole_file_locks(void)
{
	int fd = make("flocked", "x");

	CHECK(fd >= 0);
	CHECK(flock(fd, LOCK_SH) == 0);
	CHECK(elsewhere(try_flock) == 1);
	CHECK(flock(fd, LOCK_UN) == 0);
	CHECK(elsewhere(try_flock) == 0);
	(void)close(fd);
	DONE();
}

static void extended_attributes(void)
{
	char value[64] = "", names[256] = "";
	int fd = make("attributes", "x");

	CHECK(fd >= 0);
	CHECK(fsetxattr(fd, "user.kata", "a value", 7, XATTR_CREATE) == 0);
	CHECK(fsetxattr(fd, "user.kata", "again", 5, XATTR_CREATE) < 0 && errno == EEXIST);
	CHECK(getxattr("attributes", "user.kata", value, sizeof(value)) == 7);
	CHECK(strcmp(value, "a value") == 0);
	CHECK(listxattr("attributes", names, sizeof(names)) > 0 && strstr(names, "user.kata"));
	CHECK(setxattr("attributes", "user.other", "stays", 5, 0) == 0);
	CHECK(removexattr("attributes", "user.kata") == 0);
	CHECK(getxattr("attributes", "user.kata", value, sizeof(value)) < 0 && errno == ENODATA);
	(void)close(fd);
	DONE();
}

static void links(void)
{
	struct stat a, b;
	char target[PATH_MAX] = "";
	int fd = make("first", "linked");

	CHECK(fd >= 0);
	(void)close(fd);
	CHECK(link("first", "second") == 0);
	CHECK(stat("first", &a) == 0 && stat("second", &b) == 0);
	CHECK(a.st_ino == b.st_ino && a.st_nlink == 2);
	CHECK(symlink("second", "symbolic") == 0);
	CHECK(lstat("symbolic", &b) == 0 && S_ISLNK(b.st_mode) && b.st_size == 6);
	CHECK(readlink("symbolic", target, sizeof(target)) == 6 && strcmp(target, "second") == 0);
	CHECK(stat("symbolic", &b) == 0 && a.st_ino == b.st_ino);
	CHECK(unlink("first") == 0);
	CHECK(stat("second", &b) == 0 && b.st_nlink == 1);
	CHECK(open("symbolic", O_RDONLY | O_NOFOLLOW) < 0 && errno == ELOOP);
	CHECK(symlink("loop", "loop") == 0);
	CHECK(open("loop", O_RDONLY) < 0 && errno == ELOOP);
	DONE();
}

static void modes_and_owners(void)
{
	struct stat st;
	int fd = make("owned", "x");

	CHECK(fd >= 0);
	CHECK(fchown(fd, 1234, 5678) == 0);
	CHECK(fchmod(fd, 06755) == 0);
	CHECK(stat("owned", &st) == 0 && st.st_uid == 1234 && st.st_gid == 5678);
	CHECK((st.st_mode & 07777) == 06755);
	CHECK(mkdir("sticky", 0700) == 0 && chmod("sticky", 03777) == 0);
	CHECK(stat("sticky", &st) == 0 && (st.st_mode & 07777) == 03777);
	CHECK(mkfifo("fifo", 0600) == 0 && stat("fifo", &st) == 0 && S_ISFIFO(st.st_mode));
	(void)close(fd);
	DONE();
}

static void files_without_a_name(void)
{
	char buf[8] = "";
	int fd = make("gone", "kept");

	CHECK(fd >= 0);
	CHECK(unlink("gone") == 0);
	CHECK(pwrite(fd, "more", 4, 4) == 4);
	CHECK(pread(fd, buf, sizeof(buf), 0) == 8 && memcmp(buf, "keptmore", 8) == 0);
	(void)close(fd);
	fd = make("old", "old");
	CHECK(fd >= 0);
	(void)close(fd);
	fd = make("new", "new");
	CHECK(fd >= 0);
	CHECK(rename("new", "old") == 0);
	CHECK(access("new", F_OK) < 0 && errno == ENOENT);
	memset(buf, 0, sizeof(buf));
	CHECK(pread(fd, buf, 3, 0) == 3 && strcmp(buf, "new") == 0);
	(void)close(fd);
	DONE();
}

static void unix_sockets(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX, .sun_path = "socket" };
	int server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char c = 0;

	CHECK(bind(server, (struct sockaddr *)&addr, sizeof(addr)) == 0);
	CHECK(listen(server, 1) == 0);
	CHECK(connect(client, (struct sockaddr *)&addr, sizeof(addr)) == 0);
	int peer = accept(server, NULL, NULL);
	CHECK(peer >= 0 && write(peer, "c", 1) == 1 && read(client, &c, 1) == 1 && c == 'c');
	DONE();
}

/* Waits for one event of this kind about this file; others may come before it. */
static int see(int fd, uint32_t mask, const char *name)
{
	_Alignas(struct inotify_event) char buf[4096];
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };

	while (poll(&poll_fd, 1, EVENT_MS) == 1) {
		ssize_t n = read(fd, buf, sizeof(buf));

		for (char *p = buf; n > 0 && p < buf + n;) {
			const struct inotify_event *event = (const void *)p;

			if ((event->mask & mask) && event->len && strcmp(event->name, name) == 0)
				return 1;
			p += sizeof(*event) + event->len;
		}
	}
	return 0;
}

static void file_events(void)
{
	int in = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);

	CHECK(mkdir("watched", 0755) == 0);
	CHECK(in >= 0 && inotify_add_watch(in, "watched", IN_ALL_EVENTS) >= 0);
	int fd = make("watched/file", "x");
	CHECK(fd >= 0);
	CHECK(see(in, IN_CREATE, "file"));
	CHECK(write(fd, "y", 1) == 1);
	CHECK(see(in, IN_MODIFY, "file"));
	(void)close(fd);
	CHECK(see(in, IN_CLOSE_WRITE, "file"));
	CHECK(rename("watched/file", "watched/other") == 0);
	CHECK(see(in, IN_MOVED_TO, "other"));
	CHECK(unlink("watched/other") == 0);
	CHECK(see(in, IN_DELETE, "other"));
	(void)close(in);
	DONE();
}

static void holes_and_space(void)
{
	struct stat st;
	int fd = make("holes", "");

	CHECK(fd >= 0);
	CHECK(pwrite(fd, "x", 1, 64 << 20) == 1);
	CHECK(fstat(fd, &st) == 0 && st.st_size == (64 << 20) + 1);
	CHECK(st.st_blocks < 2048); /* of 512 bytes */
	CHECK(fallocate(fd, 0, 0, 1 << 20) == 0);
	CHECK(ftruncate(fd, 10) == 0 && fstat(fd, &st) == 0 && st.st_size == 10);
	CHECK(fsync(fd) == 0);
	(void)close(fd);
	DONE();
}

int main(int argc, char **argv)
{
	(void)umask(022);
	if (argc != 2 || chdir(argv[1]) < 0) {
		fprintf(stderr, "usage: file-check DIR\n");
		return 2;
	}
	shared_mappings();
	private_mappings();
	record_locks();
	whole_file_locks();
	extended_attributes();
	links();
	modes_and_owners();
	files_without_a_name();
	unix_sockets();
	file_events();
	holes_and_space();
	return bad;
}
