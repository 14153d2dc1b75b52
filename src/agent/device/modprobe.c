/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel loads modules on demand (a file system, a kind of socket, a match of netfilter) by
 * starting "/sbin/modprobe -q -- NAME" (kernel.modprobe, kmod.c). In an initrd with modules that is
 * a link to the agent. CreateSandbox's kernel_modules take the same way.
 */
#include "agent/device/modprobe.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/device/modules.h"
#include "common/str.h"

/**
 * modprobe_is_asked() - was this program started as modprobe
 * @argc: of main()
 * @argv: of main()
 *
 * Return: true when modprobe_main() is what to do.
 */
bool modprobe_is_asked(int argc, char *const *argv)
{
	const char *slash = argc > 0 ? strrchr(argv[0], '/') : NULL;

	return argc > 0 && getpid() != 1 && str_eq(slash ? slash + 1 : argv[0], "modprobe");
}

/* "a=1", "b=2" to "a=1 b=2". */
static int join(char *const *words, int nr, struct strbuf *ret)
{
	int r = strbuf_puts(ret, "");

	for (int i = 0; r >= 0 && i < nr; i++)
		r = strbuf_printf(ret, "%s%s", i ? " " : "", words[i]);
	return r;
}

/**
 * modprobe_main() - load one module: [-OPTION ...] [--] NAME [PARAMETER=VALUE ...]
 * @argc: of main()
 * @argv: of main()
 *
 * Of the options -q counts, which silences "there is no such module"; all others are passed over.
 *
 * Return: exit status.
 */
int modprobe_main(int argc, char *const *argv)
{
	cleanup_strbuf struct strbuf parameters = STRBUF_NULL;
	cleanup_modules struct modules *modules = NULL;
	struct err err = ERR_NULL;
	bool quiet = false;
	int i = 1;

	for (; i < argc && argv[i][0] == '-'; i++) {
		quiet = quiet || str_eq(argv[i], "-q");
		if (str_eq(argv[i], "--")) {
			i++;
			break;
		}
	}
	if (i >= argc) {
		(void)fprintf(stderr, "modprobe: the name of a module is missing\n");
		return EXIT_FAILURE;
	}
	int r = join(argv + i + 1, argc - i - 1, &parameters);
	if (r >= 0)
		r = modules_open_running(&modules);
	if (r < 0)
		(void)err_set_errno(&err, r, "modules of this kernel");
	else
		r = modules_load(modules, argv[i], parameters.data, &err);
	if (r < 0 && !(quiet && r == -ENOENT))
		(void)fprintf(stderr, "modprobe: %s\n", err.text);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
