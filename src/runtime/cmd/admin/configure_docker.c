/* SPDX-License-Identifier: Apache-2.0 */
/*
 * docker's daemon.json: one member of "runtimes". All else keeps its value and its order; the
 * text's blanks do not, when something has to change.
 */
#include "runtime/cmd/admin/configure.h"

#include "common/json.h"

#define INDENT 4

static bool is_blank(const char *text)
{
	return text[strspn(text, " \t\r\n")] == '\0';
}

/* An entry that this command wrote, maybe of a program elsewhere. */
static bool is_ours(const struct json *entry)
{
	const struct json *path = entry->type == JSON_OBJECT ? json_get(entry, "path") : NULL;

	if (!path || path->type != JSON_STRING || entry->nr != 1)
		return false;
	const char *slash = strrchr(path->s, '/');
	return slash && str_eq(slash + 1, "kata-runtime");
}

static void put_entry(struct json_writer *w, const struct configure *c)
{
	json_member_object(w, c->name);
	json_member_str(w, "path", c->runtime_path);
	json_object_end(w);
}

/* @runtimes: may be NULL. */
static void put_runtimes(struct json_writer *w, const struct configure *c,
			 const struct json *runtimes, const struct json *entry)
{
	if (c->undo && runtimes->nr == 1)
		return; /* it held nothing else */
	json_member_object(w, "runtimes");
	if (runtimes) {
		json_for_each(member, runtimes) {
			if (member == entry)
				continue;
			json_put_key(w, member->key);
			json_put_node(w, member);
		}
	}
	if (!c->undo)
		put_entry(w, c);
	json_object_end(w);
}

static int put_document(struct configure *c, const struct json *root, const struct json *runtimes,
			const struct json *entry)
{
	struct json_writer w;

	json_writer_init(&w, &c->text, INDENT);
	json_object(&w);
	if (root) {
		json_for_each(member, root) {
			if (member == runtimes) {
				put_runtimes(&w, c, runtimes, entry);
				continue;
			}
			json_put_key(&w, member->key);
			json_put_node(&w, member);
		}
	}
	if (!runtimes)
		put_runtimes(&w, c, NULL, NULL);
	json_object_end(&w);
	int r = json_writer_finish(&w);
	return r < 0 ? r : strbuf_puts(&c->text, "\n");
}

static int parse(struct configure *c, const struct json **ret_root,
		 const struct json **ret_runtimes, const struct json **ret_entry, struct err *err)
{
	struct json *root;

	*ret_root = *ret_runtimes = *ret_entry = NULL;
	if (!c->old || is_blank(c->old))
		return 0; /* docker takes an empty file, too */
	int r = json_parse(c->arena, c->old, c->old_len, c->file, NULL, &root, err);
	if (r == 0)
		r = json_expect(root, JSON_OBJECT, err);
	if (r == 0)
		r = json_get_object(root, "runtimes", ret_runtimes, err);
	if (r < 0)
		return r;
	*ret_root = root;
	if (*ret_runtimes)
		*ret_entry = json_get(*ret_runtimes, c->name);
	return 0;
}

/**
 * configure_docker() - see configure.h
 * @c: the task; its text is filled
 * @err: filled on failure
 *
 * Return: 0, -EEXIST when there is a runtime of this name that is not ours, -EBUSY when one that is
 * to go is docker's default, or -errno.
 */
int configure_docker(struct configure *c, struct err *err)
{
	const struct json *root, *runtimes, *entry;
	int r = parse(c, &root, &runtimes, &entry, err);

	if (r < 0)
		return r;
	bool ours = entry && is_ours(entry);
	if (entry && !ours && !c->undo)
		return err_set(err, EEXIST,
			       "%s:%u: runtime \"%s\" is not ours: remove it or choose a --name",
			       c->file, entry->line, c->name);
	const struct json *preset = root ? json_get(root, "default-runtime") : NULL;
	if (c->undo && ours && preset && preset->type == JSON_STRING && str_eq(preset->s, c->name))
		return err_set(err, EBUSY,
			       "%s:%u: \"%s\" is the default-runtime: choose another first",
			       c->file, preset->line, c->name); /* docker would not start */
	bool done = ours && str_eq(json_get(entry, "path")->s, c->runtime_path);
	if (c->undo ? !ours : done)
		r = strbuf_add(&c->text, c->old, c->old_len);
	else if (c->undo && root->nr == 1 && runtimes->nr == 1)
		c->remove = true; /* it said nothing else */
	else
		r = put_document(c, root, runtimes, entry);
	return r < 0 ? err_set_errno(err, r, "configure") : 0;
}
