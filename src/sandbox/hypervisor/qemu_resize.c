/* SPDX-License-Identifier: Apache-2.0 */
/*
 * More (or fewer) vCPUs and more memory for a running QEMU. vCPUs are hot-plugged one by one into
 * the places the machine was made with; memory comes as DIMMs, or by raising what virtio-mem
 * offers, and goes by that or into a balloon (qemu_balloon.c). What the guest does with them is the
 * agent's business.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/json.h"
#include "common/str.h"
#include "sandbox/hypervisor/qemu.h"
#include "sandbox/hypervisor/qemu_cmdline.h"
#include "sandbox/hypervisor/qmp.h"

/*
 * Linux adds memory in blocks of 128 MiB on x86_64 guests of up to 64 GiB; a DIMM must be a
 * multiple.
 */
#define DIMM_ALIGN_MIB 128
/*
 * Hot-plugging much more than what the guest has can exhaust it: page descriptors come from memory
 * it has already.
 */
#define GROWTH_MAX 48
#define CPU_UNPLUG_MS 3000
#define VIRTIO_MEM_SHRINK_MS 3000
#define VIRTIO_MEM_STEP_MS 20

/* Finds a free place for a vCPU. Return: 0 and *@ret, or -errno. */
static int find_free_cpu(struct qemu *qemu, struct arena *arena, const struct json **ret,
			 uint64_t deadline_ns, struct err *err)
{
	static const struct qmp_command command = { .name = "query-hotpluggable-cpus" };
	const struct json *places, *found = NULL;
	int r = qmp_execute(qemu->qmp, &command, arena, &places, deadline_ns, err);

	if (r >= 0)
		r = json_expect(places, JSON_ARRAY, err);
	if (r < 0)
		return r;
	/*
	 * QEMU lists them from the highest to the lowest; the last one that is free keeps ids
	 * dense.
	 */
	json_for_each(place, places)
		if (place->type == JSON_OBJECT && !json_get(place, "qom-path"))
			found = place;
	if (!found)
		return err_set(err, ENOSPC, "QEMU has no place for another vCPU");
	*ret = found;
	return 0;
}

static int write_cpu(const struct json *place, const struct qemu_device *device, struct strbuf *out,
		     struct err *err)
{
	const struct json *props = NULL;
	const char *type = NULL;
	struct json_writer w;
	int r = json_get_str(place, "type", &type, err);

	if (r >= 0)
		r = json_get_object(place, "props", &props, err);
	if (r < 0)
		return r;
	if (!type || !props)
		return json_error(place, err, "a place for a vCPU without type or props");
	json_writer_init(&w, out, 0);
	json_object(&w);
	json_member_str(&w, "driver", type);
	json_member_str(&w, "id", device->qemu_id);
	json_for_each(prop, props) {
		json_put_key(&w, prop->key);
		json_put_node(&w, prop);
	}
	json_object_end(&w);
	r = json_writer_finish(&w);
	return r < 0 ? err_set_errno(err, r, "vCPU") : 0;
}

static int add_cpu(struct qemu *qemu, uint64_t deadline_ns, struct err *err)
{
	cleanup_strbuf struct strbuf arguments = STRBUF_NULL;
	cleanup_arena struct arena *arena = NULL;
	const struct json *place = NULL;
	struct qemu_device *device;
	char id[VM_ID_MAX + 1];
	int r;

	if (arena_new(&arena) < 0)
		return err_set(err, ENOMEM, "out of memory");
	r = find_free_cpu(qemu, arena, &place, deadline_ns, err);
	if (r < 0)
		return r;
	(void)snprintf(id, sizeof(id), "%u", ++qemu->nr_cpus_added);
	device = qemu_device_new(qemu, id, "cpu");
	if (!device)
		return err_set(err, ENOMEM, "out of memory");
	device->is_cpu = true;
	r = write_cpu(place, device, &arguments, err);
	if (r >= 0)
		r = qemu_command(qemu, "device_add", arguments.data, deadline_ns, err);
	if (r < 0)
		qemu_device_forget(qemu, device);
	else
		qemu->size.vcpus++;
	return r;
}

/* The vCPU that was added last; those of the start stay. */
static struct qemu_device *last_cpu(struct qemu *qemu)
{
	struct qemu_device *last = NULL;

	list_for_each(pos, &qemu->devices) {
		struct qemu_device *device = list_entry(pos, struct qemu_device, node);

		if (device->is_cpu)
			last = device;
	}
	return last;
}

static void forget_cpu(struct qemu *qemu, struct qemu_device *device)
{
	qemu_device_forget(qemu, device);
	qemu->size.vcpus--;
}

/* A guest may let go of a vCPU long after it was asked to, when nobody waits for it any more. */
static void forget_late_cpus(struct qemu *qemu)
{
	list_for_each_safe(pos, next, &qemu->devices) {
		struct qemu_device *device = list_entry(pos, struct qemu_device, node);

		if (device->is_cpu && device->unplug == QEMU_UNPLUG_DONE)
			forget_cpu(qemu, device);
	}
}

static int remove_cpu(struct qemu *qemu, uint64_t deadline_ns, struct err *err)
{
	struct qemu_device *device = last_cpu(qemu);
	int r;

	if (!device)
		return err_set(err, EBUSY, "the vCPUs a VM was started with cannot be taken away");
	r = qemu_unplug(qemu, device, deadline_ns, err);
	if (r >= 0)
		forget_cpu(qemu, device);
	return r;
}

static int resize_cpus(struct qemu *qemu, unsigned want, uint64_t deadline_ns, struct err *err)
{
	int r = 0;

	if (want > qemu->max_vcpus)
		return err_set(err, ENOSPC,
			       "the VM was started for %u vCPUs at most, %u are wanted",
			       qemu->max_vcpus, want);
	while (r >= 0 && qemu->size.vcpus < want)
		r = add_cpu(qemu, deadline_ns, err);
	while (r >= 0 && !qemu->keeps_vcpus && qemu->size.vcpus > want)
		r = remove_cpu(qemu, deadline_ns, err);
	return r;
}

static int add_dimm(struct qemu *qemu, uint64_t mib, uint64_t deadline_ns, struct err *err)
{
	char arguments[192], name[24];
	struct err ignored = ERR_NULL;
	int r;

	(void)snprintf(name, sizeof(name), "mem%u", qemu->nr_dimms);
	(void)snprintf(arguments, sizeof(arguments),
		       "{\"qom-type\":\"memory-backend-memfd\",\"id\":\"%s\",\"size\":%" PRIu64
		       ",\"share\":true%s}",
		       name, mib << 20, qemu->hugepages ? ",\"hugetlb\":true" : "");
	r = qemu_command(qemu, "object-add", arguments, deadline_ns, err);
	if (r < 0)
		return r;
	(void)snprintf(arguments, sizeof(arguments),
		       "{\"driver\":\"pc-dimm\",\"id\":\"dimm%u\",\"memdev\":\"%s\"}",
		       qemu->nr_dimms, name);
	r = qemu_command(qemu, "device_add", arguments, deadline_ns, err);
	if (r < 0) {
		bool masked = fiber_mask_cancel(true);

		(void)snprintf(arguments, sizeof(arguments), "{\"id\":\"%s\"}", name);
		/* unwinding */
		(void)qemu_command(qemu, "object-del", arguments, loop_deadline_ms(1000), &ignored);
		(void)fiber_mask_cancel(masked);
		return r;
	}
	qemu->nr_dimms++;
	qemu->plugged_mib += mib;
	return 0;
}

static uint64_t round_up(uint64_t v, uint64_t align)
{
	return (v + align - 1) / align * align;
}

static int grow_by_dimm(struct qemu *qemu, uint64_t want_mib, uint64_t deadline_ns, struct err *err)
{
	uint64_t more = round_up(want_mib - qemu->plugged_mib, DIMM_ALIGN_MIB);

	if (qemu->plugged_mib + more > qemu->max_memory_mib)
		return err_set(err, ENOSPC,
			       "the VM was started for %" PRIu64 " MiB of memory at most, %" PRIu64
			       " MiB are wanted",
			       qemu->max_memory_mib, qemu->plugged_mib + more);
	if (qemu->nr_dimms >= qemu->memory_slots)
		return err_set(err, ENOSPC, "all %u memory slots are in use", qemu->memory_slots);
	if (more / GROWTH_MAX > qemu->plugged_mib)
		return err_set(err, ENOSPC,
			       "%" PRIu64 " MiB more is too much for a VM of %" PRIu64
			       " MiB in one step",
			       more, qemu->plugged_mib);
	return add_dimm(qemu, more, deadline_ns, err);
}

/* virtio-mem's size follows what is requested as the guest gives memory back. */
static int follow_virtio_mem(struct qemu *qemu, uint64_t want, uint64_t deadline_ns,
			     struct err *err)
{
	static const struct qmp_command command = {
		.name = "qom-get",
		.arguments = "{\"path\":\"/machine/peripheral/vmem0\",\"property\":\"size\"}",
	};
	uint64_t give_up_ns = loop_deadline_ms(VIRTIO_MEM_SHRINK_MS);

	give_up_ns = MIN(give_up_ns, deadline_ns);
	for (;;) {
		cleanup_arena struct arena *arena = NULL;
		const struct json *answer;
		uint64_t bytes = 0;

		if (arena_new(&arena) < 0)
			return err_set(err, ENOMEM, "out of memory");
		int r = qmp_execute(qemu->qmp, &command, arena, &answer, deadline_ns, err);
		if (r >= 0)
			r = json_to_u64(answer, UINT64_MAX, &bytes, err);
		if (r < 0)
			return r;
		qemu->plugged_mib = qemu->boot_memory_mib + (bytes >> 20);
		if (bytes >> 20 <= want || loop_now_ns() >= give_up_ns)
			return 0;
		r = fiber_sleep_until(loop_deadline_ms(VIRTIO_MEM_STEP_MS));
		if (r < 0)
			return err_set_errno(err, r, "virtio-mem");
	}
}

static int resize_virtio_mem(struct qemu *qemu, uint64_t want_mib, uint64_t deadline_ns,
			     struct err *err)
{
	uint64_t more = want_mib > qemu->boot_memory_mib ? want_mib - qemu->boot_memory_mib : 0;
	char arguments[128];

	more = round_up(more, QEMU_VIRTIO_MEM_ALIGN_MIB);
	if (more > qemu_virtio_mem_mib(qemu->boot_memory_mib, qemu->max_memory_mib))
		return err_set(err, ENOSPC,
			       "the VM was started for %" PRIu64 " MiB of memory at most, %" PRIu64
			       " MiB are wanted",
			       qemu->max_memory_mib, want_mib);
	(void)snprintf(arguments, sizeof(arguments),
		       "{\"path\":\"/machine/peripheral/"
		       "vmem0\",\"property\":\"requested-size\",\"value\":%" PRIu64 "}",
		       more << 20);
	int r = qemu_command(qemu, "qom-set", arguments, deadline_ns, err);
	if (r < 0)
		return r;
	if (qemu->boot_memory_mib + more < qemu->plugged_mib)
		return follow_virtio_mem(qemu, more, deadline_ns, err);
	qemu->plugged_mib = qemu->boot_memory_mib + more;
	return 0;
}

/* What is plugged grows first; what cannot be unplugged goes into the balloon. */
static int resize_memory(struct qemu *qemu, uint64_t want_mib, uint64_t deadline_ns,
			 struct err *err)
{
	uint64_t plugged = qemu->plugged_mib;
	int r = 0;

	if (qemu->virtio_mem)
		r = resize_virtio_mem(qemu, want_mib, deadline_ns, err);
	else if (want_mib > qemu->plugged_mib)
		r = grow_by_dimm(qemu, want_mib, deadline_ns, err);
	/* A VM that grew by whole blocks has all of the last one. */
	if (r >= 0)
		r = qemu_balloon(qemu,
				 plugged < qemu->plugged_mib ? qemu->plugged_mib
							     : MIN(want_mib, qemu->plugged_mib),
				 deadline_ns, err);
	qemu->size.memory_mib = qemu->plugged_mib - qemu->ballooned_mib;
	return r;
}

static int resize_locked(struct qemu *qemu, const struct vm_size *want, uint64_t deadline_ns,
			 struct err *err)
{
	uint64_t cpu_deadline_ns = deadline_ns;
	int r = 0;

	forget_late_cpus(qemu);
	/* Memory first: it is what a container that is about to start needs most. */
	if (want->memory_mib)
		r = resize_memory(qemu, want->memory_mib, deadline_ns, err);
	if (r < 0)
		return err_wrap(err, "memory of the VM");
	if (!want->vcpus)
		return 0;
	/* A guest may sit on a vCPU for ever; that must not eat the whole deadline. */
	if (want->vcpus < qemu->size.vcpus) {
		cpu_deadline_ns = loop_deadline_ms(CPU_UNPLUG_MS);
		cpu_deadline_ns = MIN(deadline_ns, cpu_deadline_ns);
	}
	r = resize_cpus(qemu, want->vcpus, cpu_deadline_ns, err);
	return r < 0 ? err_wrap(err, "vCPUs of the VM") : 0;
}

/**
 * qemu_resize() - the driver's resize slot
 * @hv: VM
 * @want: wanted size
 * @ret: receives the size reached
 * @deadline_ns: absolute time
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int qemu_resize(struct hypervisor *hv, const struct vm_size *want, struct vm_size *ret,
		uint64_t deadline_ns, struct err *err)
{
	struct qemu *qemu = qemu_of(hv);
	int r = fiber_lock(&qemu->plugging, deadline_ns);

	if (r < 0)
		return err_set_errno(err, r, "resize the VM");
	r = resize_locked(qemu, want, deadline_ns, err);
	*ret = qemu->size;
	fiber_unlock(&qemu->plugging);
	return r;
}
