/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lets one of the calls that may fail do so: memory, descriptors, the loop. The linker leads the
 * calls of the program (not those of the libraries) through here; see FAULTS in the Makefile.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef void (*faults_fn)(const uint8_t *data, size_t size);

void faults_arm(unsigned long nth);
unsigned long faults_seen(void);
bool faults_hit(void);
bool faults_hold(bool hold);
void faults_hurry(bool hurry);
void faults_each(faults_fn fn, const uint8_t *data, size_t size);
