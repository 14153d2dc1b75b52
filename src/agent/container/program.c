/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The last steps of every process of a container, in the child: from root of the container to its
 * user, with its capabilities, in its directory, to the execve.
 */
#include "agent/container/program.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/keyctl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "agent/container/attr/label.h"
#include "agent/container/attr/limits.h"
#include "agent/container/attr/seccomp.h"
#include "agent/container/attr/seccomp_key.h"
#include "agent/container/attr/user.h"
#include "agent/container/launch.h"
#include "common/fd.h"
#include "common/str.h"

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/**
 * program_reset_signals() - default dispositions, nothing blocked
 *
 * The agent's handlers must not run here, and an ignored signal would stay ignored in the
 * container. Asks the kernel itself: libc refuses the two signals it keeps for its threads (32 and
 * 33), which whoever started us may have ignored all the same.
 */
void program_reset_signals(void)
{
	/*
	 * rt_sigaction(2)'s own layout is not libc's: handler, flags, restorer, mask of 64 signals
	 */
	static const unsigned long by_default[4] = { 0 };
	sigset_t none;

	for (int signo = 1; signo < NSIG; signo++) /* SIGKILL and SIGSTOP have none to reset */
		(void)syscall(SYS_rt_sigaction, signo, by_default, NULL, sizeof(uint64_t));
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/*
 * A session keyring of its own, so that the keys of the agent or of another container are not in
 * reach.
 */
static int join_keyring(const struct container *c, struct err *err)
{
	char name[CONTAINER_ID_MAX + 8];

	(void)snprintf(name, sizeof(name), "_ses.%s", c->id);
	long ring = syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, name);
	if (ring < 0)
		return errno == ENOSYS ? 0 : err_set_errno(err, -errno, "join a session keyring");
	return 0;
}

static const char *find_env(char *const *env, const char *name)
{
	size_t len = strlen(name);

	for (; env && *env; env++)
		if (strncmp(*env, name, len) == 0 && (*env)[len] == '=')
			return *env + len + 1;
	return NULL;
}

/* The place of a variable of that name among the first @nr, or @nr. */
static size_t find_same(char *const *env, size_t nr, const char *entry)
{
	size_t len = strcspn(entry, "="), i = 0;

	while (i < nr && (strncmp(env[i], entry, len) != 0 || env[i][len] != entry[len]))
		i++;
	return i;
}

/*
 * The environment of the spec: of variables that are given twice the last one holds, and HOME is
 * that of /etc/passwd when it is empty or missing.
 */
static int build_env(const struct launch_plan *launch, char ***ret, struct err *err)
{
	const struct strv *env = &launch->process->env;
	char **copy = arena_calloc(launch->arena, env->nr + 2, sizeof(*copy));
	char path[PATH_MAX];
	size_t nr = 0;

	if (!copy)
		return err_set_errno(err, -ENOMEM, "environment");
	for (size_t i = 0; i < env->nr; i++) {
		size_t at = find_same(copy, nr, env->v[i]);

		copy[at] = env->v[i];
		nr += at == nr;
	}
	if (str_empty(find_env(copy, "HOME"))) {
		int r = user_find_home(launch->process->user.uid, path, sizeof(path));
		if (r < 0)
			return err_set_errno(err, r, "read /etc/passwd of the container");
		char *home = arena_printf(launch->arena, "HOME=%s", path);
		if (!home)
			return err_set_errno(err, -ENOMEM, "environment");
		copy[find_same(copy, nr, home)] = home;
	}
	*ret = copy;
	return 0;
}

static int check_executable(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	return neg_errno(faccessat(AT_FDCWD, path, X_OK, AT_EACCESS));
}

/* strerror() with the small initial that managers look for. */
static const char *errno_words(int errnum, char words[64])
{
	(void)snprintf(words, 64, "%s", strerror(errnum));
	if (words[0] >= 'A' && words[0] <= 'Z')
		words[0] = (char)(words[0] - 'A' + 'a');
	return words;
}

/* Managers decide between exit status 127 and 126 by these words; they are runc's. */
static int look_up(struct launch_plan *launch, char *const *env, char **ret, struct err *err)
{
	const char *name = launch->process->args.v[0];
	const char *path = find_env(env, "PATH");
	char words[64];
	int r;

	if (strchr(name, '/')) {
		r = check_executable(name);
		if (r == -ENOENT || r == -ENOTDIR)
			return err_set(err, -r, "exec: \"%s\": stat %s: %s", name, name,
				       errno_words(-r, words));
		if (r < 0)
			return err_set(err, -r, "exec: \"%s\": %s", name, errno_words(-r, words));
		*ret = arena_strdup(launch->arena, name);
		return *ret ? 0 : err_set_errno(err, -ENOMEM, "exec");
	}
	for (const char *dir = path ? path : DEFAULT_PATH; *name;) {
		size_t len = strcspn(dir, ":");
		char *candidate = arena_printf(launch->arena, "%.*s/%s", len ? (int)len : 1,
					       len ? dir : ".", name);

		if (!candidate)
			return err_set_errno(err, -ENOMEM, "exec");
		if (check_executable(candidate) >= 0) {
			*ret = candidate;
			return 0;
		}
		if (!dir[len])
			break;
		dir += len + 1;
	}
	return err_set(err, ENOENT, "exec: \"%s\": executable file not found in $PATH", name);
}

/*
 * The directory may have been reached through a descriptor of the outside (CVE-2024-21626): the
 * kernel then gives a path that does not begin at our root. The system call is asked, as libc would
 * search for another answer.
 */
static int verify_cwd(struct err *err)
{
	char cwd[PATH_MAX];
	long n = syscall(SYS_getcwd, cwd, sizeof(cwd));

	if (n < 0)
		return err_set_errno(err, -errno, "the working directory is not in the container");
	if (cwd[0] != '/')
		return err_set(err, EACCES, "the working directory is outside of the container");
	return 0;
}

static int chdir_failed(const char *cwd, int errnum, struct err *err)
{
	char words[64];

	return err_set(err, errnum, "chdir to cwd (\"%s\") set in config.json failed: %s", cwd,
		       errno_words(errnum, words));
}

static int change_dir(const char *cwd, bool *ret_again, struct err *err)
{
	*ret_again = false;
	if (str_empty(cwd) || chdir(cwd) >= 0)
		return 0;
	/* Perhaps only the user may enter it, as on a network file system. */
	if (errno == EACCES || errno == EPERM) {
		*ret_again = true;
		return 0;
	}
	return chdir_failed(cwd, errno, err);
}

/*
 * Loading a filter needs CAP_SYS_ADMIN or no_new_privs, so without the latter the former is given
 * up after it.
 */
static uint64_t extra_capability(const struct launch_plan *launch)
{
	uint64_t admin = 1ULL << CAP_SYS_ADMIN;

	if (!launch->seccomp || launch->process->no_new_privileges ||
	    (launch->caps.effective & admin))
		return 0;
	return admin;
}

static int change_user(struct launch_plan *launch, struct err *err)
{
	const struct oci_process *process = launch->process;
	bool again;
	int r = change_dir(process->cwd, &again, err);

	if (r >= 0)
		r = capability_drop_bounding(launch->caps.bounding, err);
	if (r >= 0)
		r = user_apply(&process->user, err);
	/* Effective again after the change of the user; not yet inheritable by a program. */
	if (r >= 0)
		r = capability_apply(&launch->caps, extra_capability(launch), err);
	if (r >= 0 && again && chdir(process->cwd) < 0)
		r = chdir_failed(process->cwd, errno, err);
	if (r >= 0)
		r = verify_cwd(err);
	if (r >= 0)
		r = capability_raise_ambient(launch->caps.ambient, err);
	return r;
}

/*
 * The guest's null device has no name in the container, and programs look at the name. What a
 * container has in its place is not used.
 */
static int take_own_null(const struct launch_plan *launch, struct err *err)
{
	struct stat st;

	if (!launch->no_input || launch->process->terminal)
		return 0;
	cleanup_close int fd = open("/dev/null", O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISCHR(st.st_mode) || st.st_rdev != makedev(1, 3))
		return 0;
	if (fcntl(fd, F_SETFL, 0) < 0 || dup2(fd, STDIN_FILENO) < 0)
		return err_set_errno(err, -errno, "open /dev/null as stdin");
	return 0;
}

/**
 * program_prepare() - become the user of the process and find its program
 * @launch: plan
 * @ret_path: receives the program, in the plan's arena
 * @ret_env: receives the environment
 * @err: filled on failure
 *
 * The process is in all namespaces and has the container's root.
 *
 * Return: 0 or -errno.
 */
int program_prepare(struct launch_plan *launch, char **ret_path, char ***ret_env, struct err *err)
{
	const struct oci_process *process = launch->process;
	int r = 0;

	if (!process->args.nr)
		return err_set(err, EINVAL, "process.args is empty");
	if (!launch->container->no_new_keyring)
		r = join_keyring(launch->container, err);
	if (r >= 0)
		r = limits_set_personality(launch->container->personality, err);
	if (r >= 0)
		r = take_own_null(launch, err);
	if (r >= 0)
		r = build_env(launch, ret_env, err);
	if (r >= 0)
		r = label_apply(&launch->label, err);
	if (r < 0)
		return r;
	(void)umask(process->user.umask ? *process->user.umask & 0777 : 022);
	r = change_user(launch, err);
	if (r < 0)
		return r;
	if (process->no_new_privileges && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_set_errno(err, -errno, "set no_new_privs");
	return look_up(launch, *ret_env, ret_path, err);
}

/**
 * program_confine() - load the filter and give up the last right
 * @launch: plan
 * @ret_key: receives what opens the filter for the process's last steps; NULL: nothing does
 * @err: filled on failure
 *
 * From here on only system calls are made that profiles have to allow anyway, or that the key opens.
 *
 * Return: 0 or -errno.
 */
int program_confine(const struct launch_plan *launch, struct seccomp_key *ret_key, struct err *err)
{
	/* What a container may see before the program runs has no descriptor of ours at all. */
	int r = ret_key ? fd_close_from(3, &launch->sync_fd, 1) : fd_cloexec_from(3);

	if (r < 0)
		return err_set_errno(err, r, "close_range");
	if (ret_key)
		r = seccomp_key_load(launch->seccomp, ret_key);
	else if (launch->seccomp)
		r = seccomp_prog_load(launch->seccomp);
	if (r < 0)
		return err_set_errno(err, r, "load the seccomp filter");
	return extra_capability(launch) ? capability_apply(&launch->caps, 0, err) : 0;
}

/**
 * program_run() - execute the program
 * @path: program
 * @args: its arguments
 * @env: environment
 * @err: says why it could not be executed
 *
 * Return: -errno; does not return otherwise.
 */
int program_run(const char *path, char *const *args, char *const *env, struct err *err)
{
	char words[64];

	(void)execve(path, args, env);
	int r = -errno;
	return err_set(err, -r, "exec %s: %s", path, errno_words(-r, words));
}
