/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Timeline: a short list of marks. The last marks of a very long list are dropped rather than the
 * first.
 */
#include "sandbox/core/timeline.h"

#include "common/json.h"
#include "common/loop.h"

/**
 * timeline_mark() - note that a step begins now
 * @timeline: zeroed at first
 * @name: static string
 */
void timeline_mark(struct timeline *timeline, const char *name)
{
	if (timeline->nr == TIMELINE_MAX)
		return;
	timeline->marks[timeline->nr].name = name;
	timeline->marks[timeline->nr++].at_ns = loop_now_ns();
}

/**
 * timeline_to_json() - the marks as [{"name":..., "ns":<since the first>}, ...]
 * @timeline: timeline
 * @out: receives the text
 *
 * Return: 0 or -ENOMEM.
 */
int timeline_to_json(const struct timeline *timeline, struct strbuf *out)
{
	struct json_writer w;

	json_writer_init(&w, out, 0);
	json_array(&w);
	for (size_t i = 0; i < timeline->nr; i++) {
		json_object(&w);
		json_member_str(&w, "name", timeline->marks[i].name);
		json_member_uint(&w, "ns", timeline->marks[i].at_ns - timeline->marks[0].at_ns);
		json_object_end(&w);
	}
	json_array_end(&w);
	return json_writer_finish(&w);
}
