/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The constructor of struct container: copies the parts of the spec that are needed after the
 * create call which brought it, by an exec, by an update, by the hooks of the end.
 */
#include "agent/container/container_new.h"

#include <stdlib.h>
#include <string.h>

#include "agent/container/container.h"
#include "common/str.h"

/*
 * Every copy is NULL when memory ran out or its original was; @ok tells the two apart at the end.
 */
struct keeper {
	struct arena *arena;
	bool ok;
};

static void *keep_alloc(struct keeper *k, size_t nr, size_t size)
{
	void *p = nr ? arena_calloc(k->arena, nr, size) : NULL;

	if (nr && !p)
		k->ok = false;
	return p;
}

static char *keep_str(struct keeper *k, const char *s)
{
	char *copy = s ? arena_strdup(k->arena, s) : NULL;

	if (s && !copy)
		k->ok = false;
	return copy;
}

static void *keep_mem(struct keeper *k, const void *data, size_t nr, size_t size)
{
	void *p = keep_alloc(k, nr, size);

	if (p)
		memcpy(p, data, nr * size);
	return p;
}

static struct strv keep_strv(struct keeper *k, const struct strv *strv)
{
	struct strv copy = { .v = keep_alloc(k, strv->nr + 1, sizeof(char *)) };

	for (; copy.v && copy.nr < strv->nr; copy.nr++)
		copy.v[copy.nr] = keep_str(k, strv->v[copy.nr]);
	return copy;
}

static struct oci_capabilities *keep_capabilities(struct keeper *k,
						  const struct oci_capabilities *caps)
{
	struct oci_capabilities *copy = caps ? keep_alloc(k, 1, sizeof(*copy)) : NULL;

	if (!copy)
		return NULL;
	copy->bounding = keep_strv(k, &caps->bounding);
	copy->effective = keep_strv(k, &caps->effective);
	copy->inheritable = keep_strv(k, &caps->inheritable);
	copy->permitted = keep_strv(k, &caps->permitted);
	copy->ambient = keep_strv(k, &caps->ambient);
	return copy;
}

static struct oci_hook *keep_hook_list(struct keeper *k, const struct oci_hook *hooks, size_t nr)
{
	struct oci_hook *copy = keep_alloc(k, nr, sizeof(*copy));

	for (size_t i = 0; copy && i < nr; i++) {
		copy[i].path = keep_str(k, hooks[i].path);
		copy[i].args = keep_strv(k, &hooks[i].args);
		copy[i].env = keep_strv(k, &hooks[i].env);
		if (hooks[i].timeout)
			copy[i].timeout =
				keep_mem(k, hooks[i].timeout, 1, sizeof(*hooks[i].timeout));
	}
	return copy;
}

/* Only those that run after the create. */
static struct oci_hooks *keep_hooks(struct keeper *k, const struct oci_hooks *hooks)
{
	struct oci_hooks *copy = hooks ? keep_alloc(k, 1, sizeof(*copy)) : NULL;

	if (!copy)
		return NULL;
	copy->poststart = keep_hook_list(k, hooks->poststart, hooks->nr_poststart);
	copy->nr_poststart = copy->poststart ? hooks->nr_poststart : 0;
	copy->poststop = keep_hook_list(k, hooks->poststop, hooks->nr_poststop);
	copy->nr_poststop = copy->poststop ? hooks->nr_poststop : 0;
	return copy;
}

static struct kv *keep_kv(struct keeper *k, const struct kv *kv, size_t nr)
{
	struct kv *copy = keep_alloc(k, nr, sizeof(*copy));

	for (size_t i = 0; copy && i < nr; i++) {
		copy[i].key = keep_str(k, kv[i].key);
		copy[i].value = keep_str(k, kv[i].value);
	}
	return copy;
}

static void keep_linux(struct keeper *k, struct container *c, const struct oci_linux *l)
{
	c->nr_uid_mappings = l->nr_uid_mappings;
	c->uid_mappings =
		keep_mem(k, l->uid_mappings, l->nr_uid_mappings, sizeof(*l->uid_mappings));
	c->nr_gid_mappings = l->nr_gid_mappings;
	c->gid_mappings =
		keep_mem(k, l->gid_mappings, l->nr_gid_mappings, sizeof(*l->gid_mappings));
	if (l->personality) {
		c->personality = keep_alloc(k, 1, sizeof(*c->personality));
		if (c->personality) {
			c->personality->domain = keep_str(k, l->personality->domain);
			c->personality->flags = keep_strv(k, &l->personality->flags);
		}
	}
}

/**
 * container_new() - make a container without processes
 * @args: what will become of it
 * @ret: receives the container, freed by container_destroy()
 * @err: filled on failure
 *
 * Return: 0 or -ENOMEM.
 */
int container_new(const struct container_create_args *args, struct container **ret, struct err *err)
{
	const struct oci_spec *spec = args->spec;
	cleanup_arena struct arena *arena = NULL;

	if (arena_new(&arena) < 0)
		return err_set_errno(err, -ENOMEM, "container %s", args->id);
	struct container *c = arena_calloc(arena, 1, sizeof(*c));
	struct keeper k = { .arena = arena, .ok = c != NULL };
	if (c) {
		list_init(&c->processes);
		fiber_cond_init(&c->idle_cond);
		c->loop = fiber_loop();
		c->children = args->children;
		c->time_ns_fd = c->sync_fd = -1;
		c->no_new_keyring = args->no_new_keyring;
		c->id = keep_str(&k, args->id);
		c->bundle = keep_str(&k, args->bundle);
		c->oci_version = keep_str(&k, spec->oci_version);
		c->capabilities = keep_capabilities(&k, spec->process->capabilities);
		c->apparmor_profile = keep_str(&k, spec->process->apparmor_profile);
		c->selinux_label = keep_str(&k, spec->process->selinux_label);
		c->hooks = keep_hooks(&k, spec->hooks);
		c->annotations = keep_kv(&k, spec->annotations, spec->nr_annotations);
		c->nr_annotations = c->annotations ? spec->nr_annotations : 0;
		keep_linux(&k, c, spec->linux_);
	}
	if (!k.ok)
		return err_set_errno(err, -ENOMEM, "container %s", args->id);
	c->arena = TAKE_PTR(arena);
	*ret = c;
	return 0;
}
