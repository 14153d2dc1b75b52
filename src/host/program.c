/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finding a program of this project: beside another one, in $PATH, or where it was installed to.
 */
#include "host/program.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/io.h"
#include "common/str.h"
#include "paths.h"

#define SHIM_NAME "containerd-shim-kata-v2"
#define PROXY_NAME "kata-proxy"

static bool is_program(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

/* Whoever chose the path by the environment: one that somebody else may change does not run as root. */
static bool is_ours_alone(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && io_is_ours_alone(&st);
}

/* @program may be in @path itself. */
static bool find_beside(const char *program, const char *name, char *path, size_t len)
{
	const char *slash = strrchr(program, '/');
	size_t dir_len = slash ? (size_t)(slash + 1 - program) : 0;

	if (!slash || dir_len + strlen(name) + 1 > len)
		return false;
	memmove(path, program, dir_len);
	strcpy(path + dir_len, name);
	return is_program(path);
}

static bool find_beside_self(const char *name, char *path, size_t len)
{
	return program_find_self(path, len) == 0 && find_beside(path, name, path, len);
}

static bool find_in_path(const char *name, char *path, size_t len)
{
	const char *dirs = secure_getenv("PATH");

	while (dirs && *dirs) {
		size_t n = strcspn(dirs, ":");

		if (n > 0 && dirs[0] == '/' && n + 1 + strlen(name) + 1 <= len) {
			snprintf(path, len, "%.*s/%s", (int)n, dirs, name);
			if (is_program(path) && is_ours_alone(path))
				return true;
		}
		dirs += n + (dirs[n] == ':');
	}
	return false;
}

/**
 * program_find_self() - where is the running program?
 * @path: receives its absolute path
 * @len: size of @path
 *
 * Return: 0 or -errno.
 */
int program_find_self(char *path, size_t len)
{
	ssize_t n = readlink("/proc/self/exe", path, len - 1);

	if (n < 0)
		return -errno;
	path[n] = '\0';
	return 0;
}

/**
 * program_find_shim() - where is the shim's program?
 * @path: receives its absolute path
 * @len: size of @path
 * @err: filled on failure
 *
 * $KATA_SHIM wins, then the directory of this program, then $PATH. What the environment leads to must
 * belong to root or to the caller, and be writable for nobody else.
 *
 * Return: 0, -ENOENT or -EPERM.
 */
int program_find_shim(char *path, size_t len, struct err *err)
{
	const char *env = secure_getenv("KATA_SHIM");

	if (!str_empty(env) && env[0] == '/') {
		snprintf(path, len, "%s", env);
		if (!is_program(path))
			return err_set(err, ENOENT, "KATA_SHIM names %s, which is not a program",
				       env);
		if (!is_ours_alone(path))
			return err_set(err, EPERM,
				       "KATA_SHIM names %s, which somebody else may change", env);
		return 0;
	}
	if (find_beside_self(SHIM_NAME, path, len) || find_in_path(SHIM_NAME, path, len))
		return 0;
	return err_set(err, ENOENT, "%s is neither beside kata-runtime nor in $PATH", SHIM_NAME);
}

/**
 * program_find_proxy() - where is kata-proxy?
 * @beside: absolute path of the program that will start it, NULL for this one
 * @path: receives its absolute path; on failure that to which it would be installed
 * @len: size of @path
 * @err: filled on failure
 *
 * The directory of @beside wins, as in a build folder, then the one for programs that people do not
 * call.
 *
 * Return: 0 or -ENOENT.
 */
int program_find_proxy(const char *beside, char *path, size_t len, struct err *err)
{
	if (beside ? find_beside(beside, PROXY_NAME, path, len)
		   : find_beside_self(PROXY_NAME, path, len))
		return 0;
	snprintf(path, len, "%s/%s", KATA_LIBEXECDIR, PROXY_NAME);
	if (is_program(path))
		return 0;
	return err_set(err, ENOENT, "%s is neither beside %s nor in %s", PROXY_NAME,
		       beside ? beside : "this program", KATA_LIBEXECDIR);
}
