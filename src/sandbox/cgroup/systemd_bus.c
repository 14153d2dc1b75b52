/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls of systemd's manager by libsystemd's sd-bus. The library is opened by name when it is
 * needed: hosts without systemd have none, and no process that lives for long shall hold it.
 */
#include "sandbox/cgroup/systemd_bus.h"

#include <dlfcn.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-bus.h>

#include "common/str.h"

#define LIBRARY "libsystemd.so.0"
#define MANAGER \
	"org.freedesktop.systemd1", "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager"
#define NO_SUCH_UNIT "org.freedesktop.systemd1.NoSuchUnit"
#define UNIT_EXISTS "org.freedesktop.systemd1.UnitExists"

#define FUNCTIONS(X)                      \
	X(sd_bus_call)                    \
	X(sd_bus_call_method)             \
	X(sd_bus_error_free)              \
	X(sd_bus_error_has_name)          \
	X(sd_bus_flush_close_unref)       \
	X(sd_bus_match_signal)            \
	X(sd_bus_message_append)          \
	X(sd_bus_message_append_array)    \
	X(sd_bus_message_append_basic)    \
	X(sd_bus_message_close_container) \
	X(sd_bus_message_new_method_call) \
	X(sd_bus_message_open_container)  \
	X(sd_bus_message_read)            \
	X(sd_bus_message_unref)           \
	X(sd_bus_open_system)             \
	X(sd_bus_process)                 \
	X(sd_bus_wait)

/* The library's functions by their own names: lib.sd_bus_call(). */
static struct {
#define FIELD(name) __typeof__(name) *name;
	FUNCTIONS(FIELD)
} lib;

static int load_library(struct err *err)
{
	void *handle = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);

	if (!handle)
		return err_set(err, ENOENT, "%s", dlerror());
#define LOAD(name)                                                    \
	if (!(lib.name = (__typeof__(lib.name))dlsym(handle, #name))) \
		return err_set(err, ENOSYS, "%s has no " #name, LIBRARY);
	FUNCTIONS(LOAD)
	return 0;
}

/**
 * systemd_bus_open() - connect to the system bus
 * @ret: receives the connection, closed with systemd_bus_close()
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int systemd_bus_open(struct systemd_bus *ret, struct err *err)
{
	int r = load_library(err);

	*ret = SYSTEMD_BUS_NULL;
	if (r < 0)
		return r;
	r = lib.sd_bus_open_system(&ret->bus);
	return r < 0 ? err_set_errno(err, r, "connect to the system bus") : 0;
}

/**
 * systemd_bus_close() - end the connection
 * @bus: connection or SYSTEMD_BUS_NULL
 */
void systemd_bus_close(struct systemd_bus *bus)
{
	if (bus->bus)
		bus->bus = lib.sd_bus_flush_close_unref(bus->bus);
}

/* Takes what the peer said over and releases it. */
static int explain(struct err *err, int r, sd_bus_error *error, const char *call, const char *unit)
{
	if (error->message)
		(void)err_set(err, -r, "systemd: %s %s: %s", call, unit, error->message);
	else
		(void)err_set_errno(err, r, "systemd: %s %s", call, unit);
	lib.sd_bus_error_free(error);
	return r;
}

static int append_property(sd_bus_message *m, const struct systemd_property *p)
{
	int r = lib.sd_bus_message_open_container(m, 'r', "sv");

	if (r >= 0)
		r = lib.sd_bus_message_append_basic(m, 's', p->name);
	if (r >= 0)
		r = lib.sd_bus_message_open_container(m, 'v', p->type);
	if (r < 0)
		return r;
	if (*p->type == 'a')
		r = lib.sd_bus_message_append_array(m, p->type[1], p->array.data, p->array.size);
	else
		r = lib.sd_bus_message_append_basic(
			m, *p->type, *p->type == 's' ? p->string : (const void *)&p->number);
	if (r >= 0)
		r = lib.sd_bus_message_close_container(m);
	return r < 0 ? r : lib.sd_bus_message_close_container(m);
}

static int append_properties(sd_bus_message *m, const struct systemd_property *properties,
			     size_t nr)
{
	int r = lib.sd_bus_message_open_container(m, 'a', "(sv)");

	for (size_t i = 0; i < nr && r >= 0; i++)
		r = append_property(m, &properties[i]);
	return r < 0 ? r : lib.sd_bus_message_close_container(m);
}

/* What systemd does takes a job, and a signal tells how it ended. */
struct job {
	const char *path;
	char result[32]; /* "" until then; "done" is good */
};

static int on_job_removed(sd_bus_message *m, void *arg, sd_bus_error *error)
{
	const char *path, *unit, *result;
	struct job *job = arg;
	uint32_t id;

	(void)error;
	int r = lib.sd_bus_message_read(m, "uoss", &id, &path, &unit, &result);
	if (r >= 0 && str_eq(path, job->path))
		(void)snprintf(job->result, sizeof(job->result), "%s", result);
	return r;
}

static int await_job(struct systemd_bus *bus, struct job *job)
{
	int r = 0;

	while (!*job->result && r >= 0) {
		r = lib.sd_bus_process(bus->bus, NULL);
		if (r == 0)
			r = lib.sd_bus_wait(bus->bus, UINT64_MAX);
	}
	return r;
}

/* Calls, and waits for the job that the call makes. */
static int call_job(struct systemd_bus *bus, sd_bus_message *m, struct job *job,
		    sd_bus_error *error)
{
	sd_bus_message *reply = NULL;
	int r = lib.sd_bus_match_signal(bus->bus, NULL, MANAGER, "JobRemoved", on_job_removed, job);

	if (r >= 0)
		r = lib.sd_bus_call(bus->bus, m, 0, error, &reply);
	if (r >= 0)
		r = lib.sd_bus_message_read(reply, "o", &job->path);
	if (r >= 0)
		r = await_job(bus, job);
	reply = lib.sd_bus_message_unref(reply);
	return r;
}

static int job_result(const struct job *job, const char *call, const char *unit, struct err *err)
{
	if (str_eq(job->result, "done"))
		return 0;
	return err_set(err, EIO, "systemd: %s %s: the job ended as \"%s\"", call, unit,
		       job->result);
}

static int reset_failed(struct systemd_bus *bus, const char *unit)
{
	return lib.sd_bus_call_method(bus->bus, MANAGER, "ResetFailedUnit", NULL, NULL, "s", unit);
}

static int start_once(struct systemd_bus *bus, const char *unit,
		      const struct systemd_property *properties, size_t nr, struct job *job,
		      sd_bus_error *error)
{
	sd_bus_message *m = NULL;
	int r = lib.sd_bus_message_new_method_call(bus->bus, &m, MANAGER, "StartTransientUnit");

	if (r >= 0)
		r = lib.sd_bus_message_append(m, "ss", unit, "fail");
	if (r >= 0)
		r = append_properties(m, properties, nr);
	if (r >= 0)
		r = lib.sd_bus_message_append(m, "a(sa(sv))", 0);
	if (r >= 0)
		r = call_job(bus, m, job, error);
	m = lib.sd_bus_message_unref(m);
	return r;
}

/**
 * systemd_bus_start() - StartTransientUnit
 * @bus: connection
 * @unit: name
 * @properties: of the unit
 * @nr: number of them
 * @err: filled on failure
 *
 * A unit of that name that has failed, and is kept for somebody to look at, makes way.
 *
 * Return: 0 when it is active, or -errno.
 */
int systemd_bus_start(struct systemd_bus *bus, const char *unit,
		      const struct systemd_property *properties, size_t nr, struct err *err)
{
	sd_bus_error error = SD_BUS_ERROR_NULL;
	struct job job = { 0 };
	int r = start_once(bus, unit, properties, nr, &job, &error);

	if (r < 0 && lib.sd_bus_error_has_name(&error, UNIT_EXISTS) &&
	    reset_failed(bus, unit) >= 0) {
		lib.sd_bus_error_free(&error);
		r = start_once(bus, unit, properties, nr, &job, &error);
	}
	return r < 0 ? explain(err, r, &error, "start", unit)
		     : job_result(&job, "start", unit, err);
}

/**
 * systemd_bus_set() - SetUnitProperties, until the unit ends
 * @bus: connection
 * @unit: name
 * @properties: what changes
 * @nr: number of them
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int systemd_bus_set(struct systemd_bus *bus, const char *unit,
		    const struct systemd_property *properties, size_t nr, struct err *err)
{
	sd_bus_error error = SD_BUS_ERROR_NULL;
	sd_bus_message *m = NULL;
	int r = lib.sd_bus_message_new_method_call(bus->bus, &m, MANAGER, "SetUnitProperties");

	if (r >= 0)
		r = lib.sd_bus_message_append(m, "sb", unit, true);
	if (r >= 0)
		r = append_properties(m, properties, nr);
	if (r >= 0)
		r = lib.sd_bus_call(bus->bus, m, 0, &error, NULL);
	m = lib.sd_bus_message_unref(m);
	return r < 0 ? explain(err, r, &error, "set properties of", unit) : 0;
}

/**
 * systemd_bus_stop() - StopUnit, and forget how the unit ended
 * @bus: connection
 * @unit: name
 * @err: filled on failure
 *
 * Return: 0 also when there is no such unit, or -errno.
 */
int systemd_bus_stop(struct systemd_bus *bus, const char *unit, struct err *err)
{
	sd_bus_error error = SD_BUS_ERROR_NULL;
	sd_bus_message *m = NULL;
	struct job job = { 0 };
	int r = lib.sd_bus_message_new_method_call(bus->bus, &m, MANAGER, "StopUnit");

	if (r >= 0)
		r = lib.sd_bus_message_append(m, "ss", unit, "replace");
	if (r >= 0)
		r = call_job(bus, m, &job, &error);
	m = lib.sd_bus_message_unref(m);
	bool gone = r < 0 && lib.sd_bus_error_has_name(&error, NO_SUCH_UNIT);
	if (r < 0 && !gone)
		return explain(err, r, &error, "stop", unit);
	lib.sd_bus_error_free(&error);
	(void)reset_failed(bus, unit); /* only a unit that failed is still there */
	return gone ? 0 : job_result(&job, "stop", unit, err);
}
