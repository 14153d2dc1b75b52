/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A policy is a list of rules with commas between:
 *
 *	Name		this request is answered
 *	*		every request is
 *	!Name		this one is not, whatever else the list says
 *	field=PATTERN	in requests that have this field, it is like one of the patterns for it
 *
 * It comes on the kernel command line, so that only who starts the VM writes it. Lists add up: a
 * second one can take away only. What is not understood allows nothing.
 */
#include "agent/util/policy.h"

#include <ctype.h>
#include <errno.h>
#include <fnmatch.h>
#include <string.h>

#include "common/str.h"

#define LIST_END ';'
#define RULE_MAX 255

static const char *const fields[] = { "copy", "exec", "mount", "storage" };

/* One rule of a list, without what separates them. */
struct rule {
	const char *at;
	size_t len;
};

/* The next rule of the list that *@text is in; at its end *@text stays there. */
static bool next_rule(const char **text, struct rule *ret)
{
	if (!**text || **text == LIST_END)
		return false;
	*ret = (struct rule){ *text, strcspn(*text, ",;") };
	*text += ret->len;
	if (**text == ',')
		++*text;
	return true;
}

static bool rule_is(const struct rule *rule, const char *word)
{
	return rule->len == strlen(word) && strncmp(rule->at, word, rule->len) == 0;
}

static bool is_name(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)text[i]))
			return false;
	return len > 0;
}

/* Return: the pattern of a rule for @field, or NULL. */
static const char *pattern_of(const struct rule *rule, const char *field, size_t *ret_len)
{
	size_t len = strlen(field);

	if (rule->len <= len || strncmp(rule->at, field, len) != 0 || rule->at[len] != '=')
		return NULL;
	*ret_len = rule->len - len - 1;
	return rule->at + len + 1;
}

static bool is_rule(const struct rule *rule)
{
	size_t len;

	if (rule->len > RULE_MAX)
		return false;
	if (rule_is(rule, "*") || is_name(rule->at, rule->len) ||
	    (*rule->at == '!' && is_name(rule->at + 1, rule->len - 1)))
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		if (pattern_of(rule, fields[i], &len))
			return len > 0;
	return false;
}

static int check(const char *rules, struct err *err)
{
	struct rule rule;
	const char *text = rules;

	while (next_rule(&text, &rule))
		if (!is_rule(&rule))
			return err_set(err, EINVAL, "agent.policy: \"%.*s\" is no rule",
				       (int)MIN(rule.len, 64), rule.at);
	if (*text || text == rules || text[-1] == ',')
		return err_set(err, EINVAL, "agent.policy: a rule is empty or has a ';'");
	return 0;
}

/**
 * policy_add() - one more list of rules
 * @policy: policy, zeroed or with lists
 * @rules: the list
 * @err: says what is wrong; the policy is broken then
 *
 * Return: 0 or -errno.
 */
int policy_add(struct policy *policy, const char *rules, struct err *err)
{
	size_t used = strlen(policy->text), len = strlen(rules);
	int r = check(rules, err);

	if (r >= 0 && used + len + 2 > sizeof(policy->text))
		r = err_set(err, E2BIG, "agent.policy: more than %zu characters",
			    sizeof(policy->text) - 2);
	if (r < 0) {
		policy->broken = true;
		return r;
	}
	memcpy(policy->text + used, rules, len);
	policy->text[used + len] = LIST_END;
	policy->text[used + len + 1] = '\0';
	return 0;
}

/**
 * policy_allows() - is a request answered
 * @policy: policy
 * @request: its name
 *
 * Return: whether it is, as far as no field is asked.
 */
bool policy_allows(const struct policy *policy, const char *request)
{
	const char *text = policy->text;

	if (policy->broken)
		return false;
	for (; *text; text++) {
		bool listed = false;
		struct rule rule;

		while (next_rule(&text, &rule)) {
			listed |= rule_is(&rule, "*") || rule_is(&rule, request);
			if (*rule.at == '!' && rule.len == strlen(request) + 1 &&
			    strncmp(rule.at + 1, request, rule.len - 1) == 0)
				return false;
		}
		if (!listed)
			return false;
	}
	return true;
}

/* A path that climbs is like no pattern. */
static bool climbs(const char *value)
{
	for (const char *p = value; (p = strstr(p, "..")); p += 2)
		if ((p == value || p[-1] == '/') && (p[2] == '/' || !p[2]))
			return true;
	return false;
}

/**
 * policy_matches() - is a field of a request like one of the patterns for it
 * @policy: policy
 * @field: which
 * @value: what it is; NULL is ""
 *
 * Return: whether it is in every list; a list without a pattern for it takes any.
 */
bool policy_matches(const struct policy *policy, const char *field, const char *value)
{
	const char *text = policy->text;

	if (policy->broken)
		return false;
	if (!value)
		value = "";
	for (; *text; text++) {
		bool asked = false, like = false;
		struct rule rule;
		size_t len;

		while (next_rule(&text, &rule)) {
			const char *pattern = pattern_of(&rule, field, &len);
			char copy[RULE_MAX + 1];

			if (!pattern)
				continue;
			asked = true;
			memcpy(copy, pattern, len);
			copy[len] = '\0';
			like |= fnmatch(copy, value, 0) == 0;
		}
		if (asked && (!like || climbs(value)))
			return false;
	}
	return true;
}

/**
 * policy_check_names() - are the requests known that are named
 * @policy: policy
 * @known: whether a request has this name
 * @err: names one that is not
 *
 * A word that is misspelt must not allow what it was to deny.
 *
 * Return: 0 or -EINVAL.
 */
int policy_check_names(const struct policy *policy, bool (*known)(const char *name),
		       struct err *err)
{
	for (const char *text = policy->text; *text; text++) {
		struct rule rule;

		while (next_rule(&text, &rule)) {
			char name[RULE_MAX + 1];
			size_t skip = *rule.at == '!';

			if (!is_name(rule.at + skip, rule.len - skip))
				continue;
			memcpy(name, rule.at + skip, rule.len - skip);
			name[rule.len - skip] = '\0';
			if (!known(name))
				return err_set(err, EINVAL,
					       "agent.policy: no request is called %.64s", name);
		}
	}
	return 0;
}
