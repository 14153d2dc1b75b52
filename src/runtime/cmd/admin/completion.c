/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kata-runtime completion: the scripts by which shells ask "kata-runtime complete" what a word may
 * become. Nothing in them depends on verbs or options: complete.c knows those.
 */
#include "runtime/cli/cli.h"

#include <string.h>

#include "common/str.h"
#include "runtime/cmd/admin/verbs.h"

/*
 * bash has cut the words at "=" and ":" (COMP_WORDBREAKS): they are put together again, and of a
 * candidate only what stands behind the last of these is its answer.
 */
static const char bash_script[] =
	"# bash completion of kata-runtime(8), printed by \"kata-runtime completion bash\".\n"
	"_kata_runtime() {\n"
	"	local i line word typed value joined=() glue=\n"
	"	for ((i = 1; i <= COMP_CWORD; i++)); do\n"
	"		word=${COMP_WORDS[i]}\n"
	"		if [[ $word == [=:]* && ${#joined[@]} -gt 0 ]]; then\n"
	"			joined[-1]+=$word\n"
	"			glue=1\n"
	"		elif [[ -n $glue ]]; then\n"
	"			joined[-1]+=$word\n"
	"			glue=\n"
	"		else\n"
	"			joined+=(\"$word\")\n"
	"		fi\n"
	"	done\n"
	"	typed=${joined[-1]}\n"
	"	value=$typed\n"
	"	[[ $typed != -*=* ]] || value=${typed#*=}\n"
	"	COMPREPLY=()\n"
	"	while IFS= read -r line; do\n"
	"		line=${line%%$'\\t'*}\n"
	"		case $line in\n"
	"		:files | :directories)\n"
	"			compopt -o filenames\n"
	"			[[ $line == :files ]] && i=-f || i=-d\n"
	"			while IFS= read -r word; do\n"
	"				COMPREPLY+=(\"$word\")\n"
	"			done < <(compgen \"$i\" -- \"$value\")\n"
	"			;;\n"
	"		*)\n"
	"			[[ $typed != *[=:]* ]] || line=${line#\"${typed%\"${typed##*[=:]}\"}\"}\n"
	"			COMPREPLY+=(\"$line\")\n"
	"			;;\n"
	"		esac\n"
	"	done < <(kata-runtime complete -- \"${joined[@]}\" 2> /dev/null)\n"
	"}\n"
	"complete -F _kata_runtime kata-runtime\n";

static const char zsh_script[] =
	"#compdef kata-runtime\n"
	"# zsh completion of kata-runtime(8), printed by \"kata-runtime completion zsh\".\n"
	"_kata_runtime() {\n"
	"	local line\n"
	"	local -a lines candidates\n"
	"	lines=(${(f)\"$(kata-runtime complete -- \"${(@Q)words[2,CURRENT]}\" 2> /dev/null)\"})\n"
	"	for line in $lines; do\n"
	"		case $line in\n"
	"		:files)\n"
	"			compset -P '-*='\n"
	"			_files\n"
	"			return\n"
	"			;;\n"
	"		:directories)\n"
	"			compset -P '-*='\n"
	"			_files -/\n"
	"			return\n"
	"			;;\n"
	"		*$'\\t'*)\n"
	"			candidates+=(\"${${line%%$'\\t'*}//:/\\\\:}:${line#*$'\\t'}\")\n"
	"			;;\n"
	"		*)\n"
	"			candidates+=(\"${line//:/\\\\:}\")\n"
	"			;;\n"
	"		esac\n"
	"	done\n"
	"	_describe kata-runtime candidates\n"
	"}\n"
	"compdef _kata_runtime kata-runtime\n"
	"[[ $funcstack[1] != _kata-runtime ]] || _kata_runtime\n";

static const char fish_script[] =
	"# fish completion of kata-runtime(8), printed by \"kata-runtime completion fish\".\n"
	"function __kata_runtime_complete\n"
	"	set -l typed (commandline -ct)\n"
	"	set -l words (commandline -opc)\n"
	"	set -l option (string match -r '^-[^=]*=' -- $typed)\n"
	"	set -l value (string replace -r '^-[^=]*=' '' -- $typed)\n"
	"	set -e words[1]\n"
	"	for line in (kata-runtime complete -- $words \"$typed\" 2> /dev/null)\n"
	"		switch $line\n"
	"			case :files\n"
	"				printf '%s\\n' \"$option\"(__fish_complete_path \"$value\")\n"
	"			case :directories\n"
	"				printf '%s\\n' \"$option\"(__fish_complete_directories \"$value\")\n"
	"			case '*'\n"
	"				echo $line\n"
	"		end\n"
	"	end\n"
	"end\n"
	"complete -c kata-runtime -f -a '(__kata_runtime_complete)'\n";

static const struct {
	const char *shell, *script;
} scripts[] = {
	{ "bash", bash_script },
	{ "zsh", zsh_script },
	{ "fish", fish_script },
};

/**
 * verb_completion() - see cli.h and kata-runtime(8)
 * @cli: global options
 * @argc: number of arguments
 * @argv: arguments
 * @err: filled on failure
 *
 * Return: exit code or -errno.
 */
int verb_completion(struct cli *cli, int argc, char **argv, struct err *err)
{
	static const struct cli_verb verb = {
		.args_doc = "bash|zsh|fish",
		.doc = "Print the script by which a shell completes kata-runtime's command line.",
		.min_args = 1,
		.max_args = 1,
	};
	int first;
	int r = cli_parse(&verb, argc, argv, NULL, &first, err);

	(void)cli;
	if (r < 0)
		return r;
	for (size_t i = 0; i < ARRAY_SIZE(scripts); i++)
		if (str_eq(argv[first], scripts[i].shell))
			return cli_print(scripts[i].script, strlen(scripts[i].script), err);
	return err_set(err, EINVAL, "there is no completion for \"%s\": it is bash, zsh or fish",
		       argv[first]);
}
