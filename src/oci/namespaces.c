/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which namespaces a specification names.
 */
#include "oci/namespaces.h"

#include "common/str.h"

/**
 * oci_namespace_find() - look a namespace up
 * @spec: specification
 * @type: "pid", "network", ...
 *
 * Return: the first entry of that type, or NULL when the container is to keep its creator's.
 */
const struct oci_namespace *oci_namespace_find(const struct oci_spec *spec, const char *type)
{
	for (size_t i = 0; spec->linux_ && i < spec->linux_->nr_namespaces; i++)
		if (str_eq(spec->linux_->namespaces[i].type, type))
			return &spec->linux_->namespaces[i];
	return NULL;
}
