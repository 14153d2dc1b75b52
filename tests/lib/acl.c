/* SPDX-License-Identifier: Apache-2.0 */
/*
 * acl access|default FILE [TAG:ID:PERM ...]: sets an ACL, or prints one: "u::6 u:65534:4 g::0 m::4
 * o::0", or why it cannot. Linked statically, so that it runs in any root file system.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>

#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>

#define ENTRIES_MAX 32
#define NO_ID ((__u32)-1)

struct acl {
	struct posix_acl_xattr_header header;
	struct posix_acl_xattr_entry entries[ENTRIES_MAX];
};

static const struct {
	char letter;
	unsigned short plain, named;
} tags[] = {
	{ 'u', ACL_USER_OBJ, ACL_USER },
	{ 'g', ACL_GROUP_OBJ, ACL_GROUP },
	{ 'm', ACL_MASK, ACL_MASK },
	{ 'o', ACL_OTHER, ACL_OTHER },
};

static int parse(const char *text, struct posix_acl_xattr_entry *entry)
{
	for (size_t i = 0; i < sizeof(tags) / sizeof(*tags); i++) {
		if (text[0] != tags[i].letter || text[1] != ':')
			continue;
		entry->e_id = text[2] == ':' ? NO_ID : (__u32)strtoul(text + 2, NULL, 10);
		entry->e_tag = entry->e_id == NO_ID ? tags[i].plain : tags[i].named;
		entry->e_perm = (unsigned short)strtoul(strrchr(text, ':') + 1, NULL, 8);
		return 0;
	}
	return -1;
}

static void print(const struct posix_acl_xattr_entry *entry, const char *end)
{
	for (size_t i = 0; i < sizeof(tags) / sizeof(*tags); i++)
		if (entry->e_tag == tags[i].plain)
			printf("%c::%o%s", tags[i].letter, entry->e_perm, end);
		else if (entry->e_tag == tags[i].named)
			printf("%c:%u:%o%s", tags[i].letter, entry->e_id, entry->e_perm, end);
}

int main(int argc, char **argv)
{
	struct acl acl = { .header.a_version = POSIX_ACL_XATTR_VERSION };
	char name[64];
	ssize_t len;
	int nr = argc - 3;

	if (nr < 0 || nr > ENTRIES_MAX)
		return 2;
	(void)snprintf(name, sizeof(name), "system.posix_acl_%s", argv[1]);
	for (int i = 0; i < nr; i++)
		if (parse(argv[3 + i], &acl.entries[i]) < 0)
			return 2;
	len = (ssize_t)sizeof(acl.header) + nr * (ssize_t)sizeof(*acl.entries);
	len = nr ? setxattr(argv[2], name, &acl, (size_t)len, 0)
		 : getxattr(argv[2], name, &acl, sizeof(acl));
	if (len < 0)
		printf("%s\n", strerror(errno));
	nr = len < 0 || nr ? 0
			   : (int)((size_t)len - sizeof(acl.header)) / (int)sizeof(*acl.entries);
	for (int i = 0; i < nr; i++)
		print(&acl.entries[i], i + 1 < nr ? " " : "\n");
	return len < 0;
}
