/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kata-runtime timeline: how long each step of a sandbox's start took, as JSON or as a picture that
 * any browser shows.
 */
#include "runtime/cmd/admin/verbs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/json.h"
#include "common/str.h"
#include "kata/state.h"
#include "runtime/shim/admin.h"

/* The picture, in SVG's user units. */
#define CHART_LEFT 290
#define CHART_WIDTH 600
#define CHART_RIGHT 90 /* room for the last number */
#define CHART_TOP 40
#define CHART_ROW 24
/* More than the marks that a shim keeps. */
#define STEPS_MAX 64

struct timeline_options {
	struct admin_query q;
	bool svg;
};

struct step {
	const char *name;
	uint64_t start_ns;
};

static int put_escaped(struct strbuf *out, const char *s)
{
	int r = 0;

	for (; *s && r == 0; s++) {
		const char *entity = *s == '&' ? "&amp;" : *s == '<' ? "&lt;" : NULL;

		r = entity ? strbuf_puts(out, entity) : strbuf_add(out, s, 1);
	}
	return r;
}

/* One row: the step's name, its bar and how long it took. */
static int put_step(struct strbuf *out, size_t row, const struct step *step, uint64_t end_ns,
		    uint64_t total_ns)
{
	double scale = (double)CHART_WIDTH / (double)total_ns;
	double x = CHART_LEFT + (double)step->start_ns * scale;
	double width = (double)(end_ns - step->start_ns) * scale;
	size_t y = CHART_TOP + row * CHART_ROW;
	int r = strbuf_printf(out, "<text x=\"%d\" y=\"%zu\" text-anchor=\"end\">", CHART_LEFT - 8,
			      y + 16);

	if (r == 0)
		r = put_escaped(out, step->name);
	if (r == 0)
		r = strbuf_printf(
			out,
			"</text>\n<rect x=\"%.1f\" y=\"%zu\" width=\"%.1f\" height=\"%d\" fill=\"%s\"/>\n"
			"<text x=\"%.1f\" y=\"%zu\">%.1f ms</text>\n",
			x, y + 3, width < 1 ? 1 : width, CHART_ROW - 6,
			row % 2 ? "#5b8db8" : "#2f5f8a", x + width + 6, y + 16,
			(double)(end_ns - step->start_ns) / 1e6);
	return r;
}

/* Every mark but the last begins a step; the last one is the end of the start. */
static int put_chart(struct strbuf *out, const char *id, const struct step *steps, size_t nr)
{
	uint64_t total_ns = nr ? steps[nr - 1].start_ns : 0;
	size_t rows = nr ? nr - 1 : 0;
	int r = strbuf_printf(
		out,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%zu\" "
		"font-family=\"sans-serif\" font-size=\"12\">\n"
		"<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n"
		"<text x=\"8\" y=\"22\" font-size=\"15\">Start of %s: %.0f ms</text>\n",
		CHART_LEFT + CHART_WIDTH + CHART_RIGHT, CHART_TOP + rows * CHART_ROW + 12, id,
		(double)total_ns / 1e6);

	for (size_t i = 0; i < rows && r == 0; i++)
		r = put_step(out, i, &steps[i], steps[i + 1].start_ns, MAX(total_ns, 1U));
	return r < 0 ? r : strbuf_puts(out, "</svg>\n");
}

/* Reads the marks up to the end of the first container: a later one may have come after days. */
static int read_steps(const struct json *marks, struct step steps[STEPS_MAX], size_t *ret_nr,
		      struct err *err)
{
	uint64_t last_ns = 0;
	size_t nr = 0;
	int r = json_expect(marks, JSON_ARRAY, err);

	if (r < 0)
		return r;
	json_for_each(mark, marks) {
		struct step *step = &steps[nr];

		if (nr == STEPS_MAX)
			break;
		r = json_get_str(mark, "name", &step->name, err);
		if (r >= 0)
			r = json_get_u64(mark, "ns", &step->start_ns, err);
		if (r < 0)
			return r;
		if (!step->name || step->start_ns < last_ns)
			return err_set(err, EINVAL, "the shim's timeline is not in order");
		last_ns = step->start_ns;
		nr++;
		if (str_eq(step->name, KATA_TIMELINE_END))
			break;
	}
	*ret_nr = nr;
	return 0;
}

static int print_svg(struct admin_query *q, const char *text, struct err *err)
{
	struct step steps[STEPS_MAX] = { 0 };
	struct json *marks;
	size_t nr = 0;
	int r = json_parse(q->session.arena, text, strlen(text), "timeline", NULL, &marks, err);

	if (r >= 0)
		r = read_steps(marks, steps, &nr, err);
	if (r < 0)
		return r;
	r = put_chart(&q->out, q->id, steps, nr);
	return r < 0 ? err_set_errno(err, r, "timeline") : 0;
}

static int print_timeline(struct admin_query *q, struct err *err)
{
	const struct timeline_options *options = q->arg;
	struct admin_timeline_response resp = { 0 };
	int r = admin_query_call(q, &admin_timeline, NULL, &resp, err);

	if (r < 0)
		return r;
	if (options->svg)
		return print_svg(q, str_empty(resp.timeline) ? "[]" : resp.timeline, err);
	r = strbuf_puts(&q->out, resp.timeline ? resp.timeline : "");
	if (r == 0 && q->out.len > 0 && q->out.data[q->out.len - 1] != '\n')
		r = strbuf_puts(&q->out, "\n");
	return r < 0 ? err_set_errno(err, r, "timeline") : 0;
}

static int set(void *arg, int key, const char *value, struct err *err)
{
	struct timeline_options *options = arg;

	(void)key; /* there is only one */
	(void)value;
	(void)err;
	options->svg = true;
	return 0;
}

/**
 * verb_timeline() - see kata-runtime(8)
 * @cli: global options
 * @argc: number of arguments
 * @argv: arguments
 * @err: filled on failure
 *
 * Return: exit code or -errno.
 */
int verb_timeline(struct cli *cli, int argc, char **argv, struct err *err)
{
	static const struct argp_option argp_options[] = {
		{ "svg", 's', NULL, 0, "a picture in place of JSON", 0 },
		{ 0 },
	};
	static const struct cli_verb verb = {
		.options = argp_options,
		.set = set,
		.args_doc = "ID",
		.doc = "Print how long each step of the sandbox's start took.",
		.min_args = 1,
		.max_args = 1,
	};
	struct timeline_options options = { .q = { .cli = cli, .fn = print_timeline } };
	int first;
	int r = cli_parse(&verb, argc, argv, &options, &first, err);

	if (r < 0)
		return r;
	options.q.id = argv[first];
	options.q.arg = &options;
	return admin_query_run(&options.q, err);
}
