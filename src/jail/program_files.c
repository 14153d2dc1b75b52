/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: What a program loads
 *
 * The program's own dynamic loader is asked for its libraries (ld.so(8), --list), so that they are
 * the ones it will take; QEMU is asked for its directories of firmware (-L help). Its modules are
 * in a directory that it does not tell: it is "qemu" beside a library or below the program's
 * prefix, as distributions have it. Of the modules only accelerators are needed by this project's
 * machines.
 *
 * That costs 0.1 s, so the answer is kept in a file of root's for as long as the program and the
 * loader's cache are what they were; and each file in it is looked for before it is believed.
 */
#include "jail/program_files.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/io.h"
#include "common/loop.h"
#include "common/run_output.h"
#include "common/str.h"

#define CACHE_NAME ".jail-files" /* not a valid id, so no container's directory */
#define CACHE_VERSION 2
#define CACHE_MAX (256 * 1024)
#define IDENTITY_MAX (PATH_MAX + 256)
#define LIST_MAX (256 * 1024)
#define RUN_MS 10000
#define LOADER_CACHE "/etc/ld.so.cache"
#define PROGRAM_HEADERS_MAX 64

struct search {
	struct arena *arena;
	struct program_files files;
	const char *loader;
	struct err *err;
};

static const char kind_letters[] = {
	[ROOT_ENTRY_DIR] = 'd',
	[ROOT_ENTRY_FILE] = 'f',
	[ROOT_ENTRY_CODE] = 'x',
};

static int add(struct search *s, enum root_entry_kind kind, const char *path)
{
	for (size_t i = 0; i < s->files.nr; i++)
		if (str_eq(s->files.entries[i].path, path))
			return 0;
	char *copy = arena_strdup(s->arena, path);
	int r = copy ? arena_grow(s->arena, &s->files.entries, &s->files.nr,
				  sizeof(*s->files.entries))
		     : -ENOMEM;
	if (r < 0)
		return r;
	s->files.entries[s->files.nr - 1] = (struct root_entry){ .kind = kind, .path = copy };
	return 0;
}

static int read_interpreter(int fd, char buf[PATH_MAX])
{
	Elf64_Ehdr header;
	Elf64_Phdr ph;

	if (pread(fd, &header, sizeof(header), 0) != sizeof(header) ||
	    memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 ||
	    header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_phentsize != sizeof(ph))
		return -ENOEXEC;
	for (unsigned i = 0; i < MIN(header.e_phnum, PROGRAM_HEADERS_MAX); i++) {
		off_t at = (off_t)(header.e_phoff + i * sizeof(ph));

		if (pread(fd, &ph, sizeof(ph), at) != sizeof(ph))
			return -ENOEXEC;
		if (ph.p_type != PT_INTERP)
			continue;
		if (ph.p_filesz < 2 || ph.p_filesz >= PATH_MAX ||
		    pread(fd, buf, ph.p_filesz, (off_t)ph.p_offset) != (ssize_t)ph.p_filesz)
			return -ENOEXEC;
		buf[ph.p_filesz] = '\0';
		return 0;
	}
	return -ENOENT; /* static */
}

static int run(struct search *s, const char *a, const char *b, const char *c, struct strbuf *out)
{
	char *argv[] = { (char *)(uintptr_t)a, (char *)(uintptr_t)b, (char *)(uintptr_t)c, NULL };
	const struct run_output what = {
		.argv = argv,
		.max = LIST_MAX,
		.deadline_ns = loop_deadline_ms(RUN_MS),
	};

	return run_output(&what, out, NULL, s->err);
}

/**
 * program_files_parse_list() - the files that a dynamic loader names
 * @text: what its --list printed
 * @arena: holds the strings
 * @ret: paths are appended
 *
 * Names without a file ("linux-vdso.so.1", "not found") are left out.
 *
 * Return: 0 or -ENOMEM.
 */
int program_files_parse_list(const char *text, struct arena *arena, struct strv *ret)
{
	for (const char *line = text; *line;) {
		size_t len = strcspn(line, "\n");
		char *copy = arena_strndup(arena, line, len);

		if (!copy)
			return -ENOMEM;
		char *path = strstr(copy, " => ");
		path = path ? path + 4 : copy + strspn(copy, " \t");
		char *end = strstr(path, " (");
		if (end)
			*end = '\0';
		int r = *path == '/' && end ? arena_strv_add(arena, ret, path) : 0;
		if (r < 0)
			return r;
		line += len + (line[len] == '\n');
	}
	return 0;
}

/* What @path, a program or a module, is linked with. */
static int add_libraries(struct search *s, const char *path)
{
	cleanup_strbuf struct strbuf list = STRBUF_NULL;
	struct strv paths = { 0 };

	if (!s->loader)
		return 0;
	int r = run(s, s->loader, "--list", path, &list);
	if (r < 0)
		return r;
	r = program_files_parse_list(list.data, s->arena, &paths);
	for (size_t i = 0; i < paths.nr && r >= 0; i++)
		r = add(s, ROOT_ENTRY_CODE, paths.v[i]);
	return r < 0 ? err_set_errno(s->err, r, "libraries of %s", path) : 0;
}

/* Takes "DIR/.." out of an absolute path, which QEMU makes to find its data beside itself. */
static void take_out_parents(char *path)
{
	char *up;

	while ((up = strstr(path, "/../"))) {
		char *start = up;

		while (start > path && start[-1] != '/')
			start--;
		start -= start > path;
		memmove(start, up + 3, strlen(up + 3) + 1);
	}
}

static int add_firmware(struct search *s, const char *path)
{
	cleanup_strbuf struct strbuf list = STRBUF_NULL;
	char *save = NULL;
	struct stat st;
	int r = run(s, path, "-L", "help", &list);

	if (r < 0)
		return r;
	for (char *dir = strtok_r(list.data, "\n", &save); dir && r >= 0;
	     dir = strtok_r(NULL, "\n", &save)) {
		take_out_parents(dir);
		if (*dir == '/' && !str_eq(dir, "/") && stat(dir, &st) == 0 && S_ISDIR(st.st_mode))
			r = add(s, ROOT_ENTRY_DIR, dir);
	}
	return r < 0 ? err_set_errno(s->err, r, "directories of %s", path) : 0;
}

/* Modules of a directory "qemu" or "qemu-kvm" in @dir, which may be a glob(7) pattern. */
static int add_modules_in(struct search *s, const char *prefix, const char *dir)
{
	static const char *const names[] = { "qemu", "qemu-kvm", "kata-qemu/qemu" };
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(names) && r >= 0; i++) {
		char *pattern =
			arena_printf(s->arena, "%s%s/%s/accel-*x86_64.so", prefix, dir, names[i]);
		glob_t found = { 0 };

		if (!pattern)
			return err_set(s->err, ENOMEM, "out of memory");
		if (glob(pattern, GLOB_NOSORT, NULL, &found) == 0)
			for (size_t j = 0; j < found.gl_pathc && r >= 0; j++) {
				r = add(s, ROOT_ENTRY_CODE, found.gl_pathv[j]);
				r = r < 0 ? err_set_errno(s->err, r, "modules")
					  : add_libraries(s, found.gl_pathv[j]);
			}
		globfree(&found);
	}
	return r;
}

static int add_modules(struct search *s, const char *path)
{
	size_t nr = s->files.nr;
	char *prefix = arena_strdup(s->arena, path);

	for (int up = 0; prefix && up < 2; up++) {
		char *slash = strrchr(prefix, '/');

		if (slash)
			*slash = '\0';
	}
	if (!prefix)
		return err_set(s->err, ENOMEM, "out of memory");
	static const char *const dirs[] = { "/lib", "/lib64", "/lib/*-linux-gnu" };
	int r = 0;
	for (size_t i = 0; i < ARRAY_SIZE(dirs) && r >= 0; i++)
		r = add_modules_in(s, prefix, dirs[i]);
	for (size_t i = 0; i < nr && r >= 0; i++) {
		const char *file = s->files.entries[i].path;
		size_t len = (size_t)(strrchr(file, '/') - file);
		char *dir = arena_strndup(s->arena, file, len);

		if (!dir)
			return err_set(s->err, ENOMEM, "out of memory");
		/* "/lib" may be a link to "/usr/lib", and the latter is what QEMU was made for. */
		r = add_modules_in(s, str_skip_prefix(dir, "/lib") ? "/usr" : "", dir);
	}
	return r;
}

static int look(struct search *s, const char *path)
{
	char interpreter[PATH_MAX];
	struct stat st;

	cleanup_close int fd = io_open_regular(path, &st);
	if (fd < 0)
		return err_set_errno(s->err, fd, "%s", path);
	int r = read_interpreter(fd, interpreter);
	if (r == -ENOEXEC)
		return err_set(
			s->err, ENOEXEC,
			"%s is no program of this machine's kind, so nobody can tell what it "
			"needs in its jail (\"jail = false\" switches the jail off)",
			path);
	if (r == 0) {
		s->loader = interpreter;
		r = add(s, ROOT_ENTRY_CODE, interpreter);
	} else if (r == -ENOENT) {
		r = 0;
	}
	if (r >= 0 && access(LOADER_CACHE, R_OK) == 0)
		r = add(s, ROOT_ENTRY_FILE, LOADER_CACHE);
	if (r < 0)
		return err_set_errno(s->err, r, "%s", path);
	r = add_firmware(s, path);
	if (r >= 0)
		r = add_libraries(s, path);
	if (r >= 0)
		r = add_modules(s, path);
	if (r >= 0)
		r = add(s, ROOT_ENTRY_CODE, path);
	s->loader = NULL;
	return r < 0 && !s->err->code ? err_set_errno(s->err, r, "%s", path) : MIN(r, 0);
}

static void describe_file(const char *path, char *buf, size_t len)
{
	struct stat st = { 0 };
	char state[IO_STATE_MAX];

	(void)stat(path, &st); /* not there: zeros */
	io_describe_state(&st, state);
	(void)snprintf(buf, len, "%s %s\n", state, path);
}

static void identify(const char *path, char buf[IDENTITY_MAX * 2])
{
	int n = snprintf(buf, IDENTITY_MAX, "%d\n", CACHE_VERSION);

	describe_file(path, buf + n, IDENTITY_MAX);
	n = (int)strlen(buf);
	describe_file(LOADER_CACHE, buf + n, (size_t)(IDENTITY_MAX * 2 - n));
}

/* Return: 0, or -errno where nothing is known, or not any more. */
static int load(struct search *s, const char *cache, const char *identity)
{
	cleanup_free char *text = NULL;
	struct stat st;
	char *save = NULL;

	cleanup_close int fd =
		neg_errno(open(cache, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_uid != geteuid() ||
	    (st.st_mode & 022) || st.st_size > CACHE_MAX)
		return -EPERM;
	text = calloc(1, (size_t)st.st_size + 1);
	if (!text)
		return -ENOMEM;
	if (io_read_full(fd, text, (size_t)st.st_size) < 0)
		return -EIO;
	const char *rest = str_skip_prefix(text, identity);
	if (!rest)
		return -ESTALE;
	for (char *line = strtok_r(text + (rest - text), "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		const char *letter = memchr(kind_letters, line[0], sizeof(kind_letters));

		if (!letter || line[1] != ' ' || access(line + 2, F_OK) < 0)
			return -ESTALE;
		int r = add(s, (enum root_entry_kind)(letter - kind_letters), line + 2);
		if (r < 0)
			return r;
	}
	return s->files.nr ? 0 : -ESTALE;
}

/* Several starts may do this at once: each writes a file of its own, and one of them stays. */
static void save(const struct search *s, const char *dir, const char *cache, const char *identity)
{
	cleanup_strbuf struct strbuf text = STRBUF_NULL;
	char own[PATH_MAX];
	int r = strbuf_puts(&text, identity);

	for (size_t i = 0; i < s->files.nr && r >= 0; i++)
		r = strbuf_printf(&text, "%c %s\n", kind_letters[s->files.entries[i].kind],
				  s->files.entries[i].path);
	if (r < 0 || snprintf(own, sizeof(own), "%s.%d", cache, (int)getpid()) >= (int)sizeof(own))
		return;
	if (io_mkdir_p(dir, 0711) < 0 ||
	    io_replace_file_at(AT_FDCWD, own, text.data, text.len, 0600) < 0 ||
	    rename(own, cache) < 0)
		(void)unlink(own); /* the next start looks again */
}

/**
 * program_files_get() - what has to be in the root of a QEMU
 * @cache_dir: where the answer is kept, a directory of root's; made if missing
 * @path: of the QEMU, absolute
 * @arena: holds the answer
 * @ret: receives what it loads
 * @err: filled on failure
 *
 * Runs in a fiber; the first time it runs QEMU and the loader.
 *
 * Return: 0, -ENOEXEC for something that is not a program for the kernel, or -errno.
 */
int program_files_get(const char *cache_dir, const char *path, struct arena *arena,
		      struct program_files *ret, struct err *err)
{
	struct search s = { .arena = arena, .err = err };
	char identity[IDENTITY_MAX * 2], cache[PATH_MAX];

	if (snprintf(cache, sizeof(cache), "%s/" CACHE_NAME, cache_dir) >= (int)sizeof(cache) ||
	    strlen(path) >= PATH_MAX)
		return err_set(err, ENAMETOOLONG, "%s", path);
	*err = ERR_NULL;
	identify(path, identity);
	if (load(&s, cache, identity) < 0) {
		s.files = (struct program_files){ 0 };
		int r = look(&s, path);

		if (r < 0)
			return r;
		save(&s, cache_dir, cache, identity);
	}
	*ret = s.files;
	return 0;
}
