/* SPDX-License-Identifier: Apache-2.0 */
/*
 * systemd's manager on the system bus: its calls that make, change and end units. See
 * org.freedesktop.systemd1(5). Every call blocks: only for a process of its own.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/err.h"

/* A property of a unit, by its D-Bus type. */
struct systemd_property {
	const char *name;
	const char *type; /* "s", "t", "b", "au" or "ay" */
	union {
		const char *string;
		uint64_t number;
		int boolean;
		struct {
			const void *data;
			size_t size; /* in bytes */
		} array;
	};
};

struct systemd_bus {
	struct sd_bus *bus;
};

#define SYSTEMD_BUS_NULL ((struct systemd_bus){ .bus = NULL })

int systemd_bus_open(struct systemd_bus *ret, struct err *err) must_check;
void systemd_bus_close(struct systemd_bus *bus);
int systemd_bus_start(struct systemd_bus *bus, const char *unit,
		      const struct systemd_property *properties, size_t nr,
		      struct err *err) must_check;
int systemd_bus_set(struct systemd_bus *bus, const char *unit,
		    const struct systemd_property *properties, size_t nr,
		    struct err *err) must_check;
int systemd_bus_stop(struct systemd_bus *bus, const char *unit, struct err *err) must_check;
