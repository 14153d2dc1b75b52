# SPDX-License-Identifier: Apache-2.0
# Kata Containers in C. `make help` lists the targets; everything is written below $(B).

VERSION := 0.1.0
B ?= build
PREFIX ?= /usr/local
BINDIR ?= $(PREFIX)/bin
LIBEXECDIR ?= $(PREFIX)/libexec
DATADIR ?= $(PREFIX)/share/kata-containers
DEFAULTSDIR ?= $(PREFIX)/share/defaults/kata-containers
MANDIR ?= $(PREFIX)/share/man
BASHDIR ?= $(PREFIX)/share/bash-completion/completions
ZSHDIR ?= $(PREFIX)/share/zsh/site-functions
FISHDIR ?= $(PREFIX)/share/fish/vendor_completions.d
ARCH := $(shell uname -m)

CC ?= gcc
PKG_CONFIG ?= pkg-config
WARN := -Wall -Wextra -Wshadow -Wimplicit-fallthrough -Wmissing-prototypes -Wstrict-prototypes -Wformat=2
# Makes every warning an error; CI sets it.
WERROR ?=
# SAN=address,undefined builds with sanitizers; use another B with it.
SAN ?=
OPT ?= -O2 -g
DEFS := -D_GNU_SOURCE -DKATA_VERSION='"$(VERSION)"'
# Not every compiler has it: clang only from 16 on.
AUTO_INIT := $(shell echo | $(CC) -ftrivial-auto-var-init=zero -x c -c - -o /dev/null 2> /dev/null && echo -ftrivial-auto-var-init=zero)
# No frame is as large as the guard below a fiber's stack (src/common/fiber.c).
HARDEN := -fstack-protector-strong -fstack-clash-protection $(AUTO_INIT) -fPIE -D_FORTIFY_SOURCE=3 -Wframe-larger-than=32768
ifneq ($(SAN),)
HARDEN := -fPIE
SANFLAGS := -fsanitize=$(SAN) -fno-sanitize-recover=undefined -fno-omit-frame-pointer
OPT := -O1 -g
endif
NL_CFLAGS := $(shell $(PKG_CONFIG) --cflags libnl-route-3.0 2>/dev/null)
CFLAGS ?=
ALL_CFLAGS = -std=gnu11 $(OPT) $(WARN) $(WERROR) $(HARDEN) $(SANFLAGS) $(DEFS) -Isrc -Iinclude -I$(B)/gen $(NL_CFLAGS) \
	-ffunction-sections -fdata-sections -MMD -MP $(CFLAGS)
ALL_LDFLAGS = $(SANFLAGS) -Wl,--gc-sections -Wl,-z,relro,-z,now,-z,noexecstack $(LDFLAGS)

# --- sources: one archive per area; an area's main.c is linked into its program only ---
AREAS := common config oci rpc host jail sandbox shim runtime agent proxy
srcs = $(sort $(shell find src/$(1) -name '*.c' ! -path 'src/$(1)/main.c' 2>/dev/null))
objs = $(patsubst %.c,$(B)/obj/%.o,$(call srcs,$(1)))
PROTOS := $(sort $(wildcard proto/*.proto))
GEN_C := $(patsubst proto/%.proto,$(B)/gen/%.pb-c.c,$(PROTOS))
GEN_H := $(GEN_C:.c=.h)
GEN_O := $(GEN_C:.c=.o)
lib = $(foreach a,$(1),$(B)/lib$(a).a)

HOST_LIBS := -lprotobuf-c -lyajl -levent_core -lm
RUNTIME_AREAS := runtime host jail rpc oci config pb common
SHIM_AREAS := shim sandbox host jail rpc oci config pb common
AGENT_AREAS := agent rpc oci jail pb common
PROXY_AREAS := proxy jail common
SHIM_LIBS := $(HOST_LIBS) -lnl-route-3 -lnl-3 -lseccomp -lcap -lmd
AGENT_LIBS := -lprotobuf-c -lyajl_s -levent_core -lseccomp -lcap -lm -lpthread
PROXY_LIBS := -levent_core -lseccomp -lcap
TEST_AREAS := shim runtime agent proxy sandbox host jail rpc oci config pb common
TEST_LIBS := -lcmocka $(HOST_LIBS) -lnl-route-3 -lnl-3 -lseccomp -lcap -lmd -lm

PROGRAMS := $(B)/kata-runtime $(B)/containerd-shim-kata-v2 $(B)/kata-agent $(B)/kata-proxy

.PHONY: all
all: $(PROGRAMS) $(B)/configuration.toml ## build the four programs and the configuration (default)

# Where installed programs find each other. A header that changes only when its content does: what includes it is
# rebuilt after `make PREFIX=...`, and nothing else.
.PHONY: FORCE
$(B)/gen/paths.h: FORCE
	@mkdir -p $(@D)
	@printf '#define KATA_%s "%s"\n' LIBEXECDIR '$(LIBEXECDIR)' DATADIR '$(DATADIR)' DEFAULTSDIR '$(DEFAULTSDIR)' > $@.new
	@if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi

$(B)/obj/%.o: %.c | $(GEN_H) $(B)/gen/paths.h
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -c $< -o $@

# Generated code is not ours to tidy: warnings off.
$(B)/gen/%.pb-c.o: $(B)/gen/%.pb-c.c
	$(CC) $(ALL_CFLAGS) -w -c $< -o $@

$(B)/gen/%.pb-c.c $(B)/gen/%.pb-c.h: proto/%.proto
	@mkdir -p $(@D)
	protoc-c --c_out=$(B)/gen -Iproto $<
$(GEN_O): | $(GEN_H)

define area_rule
$(B)/lib$(1).a: $(call objs,$(1))
	@rm -f $$@
	$$(AR) rcs $$@ $$^
endef
$(foreach a,$(AREAS),$(eval $(call area_rule,$(a))))
$(B)/libpb.a: $(GEN_O)
	@rm -f $@
	$(AR) rcs $@ $^

link = $(CC) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(1)
$(B)/kata-runtime: $(B)/obj/src/runtime/main.o $(call lib,$(RUNTIME_AREAS))
	$(call link,-pie $(HOST_LIBS))
$(B)/containerd-shim-kata-v2: $(B)/obj/src/shim/main.o $(call lib,$(SHIM_AREAS))
	$(call link,-pie $(SHIM_LIBS))
$(B)/kata-proxy: $(B)/obj/src/proxy/main.o $(call lib,$(PROXY_AREAS))
	$(call link,-pie $(PROXY_LIBS))
ifeq ($(SAN),)
# libevent holds name look-ups that glibc warns about in static programs; the agent calls none of them.
AGENT_STATIC := -static-pie -s -Wl,--no-warnings
endif
$(B)/kata-agent: $(B)/obj/src/agent/main.o $(call lib,$(AGENT_AREAS))
	$(call link,$(AGENT_STATIC) $(AGENT_LIBS))

# In the build folder it names the assets built there; installing writes it with the installed ones.
configure = sed -e 's|@LIBEXECDIR@|$(LIBEXECDIR)|g' -e 's|@DEFAULTSDIR@|$(DEFAULTSDIR)|g' -e 's|@DATADIR@|$(1)|g' \
	-e 's|^kernel_params = ""|kernel_params = "$(2)"|'
$(B)/configuration.toml: configuration.toml.in $(B)/gen/paths.h
	$(call configure,$(abspath $(B)/guest)) $< > $@
$(B)/configuration-distro.toml: configuration.toml.in $(B)/gen/paths.h
	$(call configure,$(abspath $(B)/guest-distro),$(DISTRO_PARAMS)) $< > $@

# --- guest ---
# KERNEL=own is built from source; KERNEL=distro is a distribution's as it is packaged. Each has a folder of its own.
KERNEL ?= own
GUEST := $(B)/guest$(if $(filter distro,$(KERNEL)),-distro)
ifeq ($(filter own distro,$(KERNEL)),)
$(error KERNEL is "own" or "distro", not "$(KERNEL)")
endif
# Self-tests of cryptography, which a distribution's kernel makes at each boot: 0.6 s under TCG.
DISTRO_PARAMS := cryptomgr.notests
.PHONY: guest
guest: $(GUEST)/.built $(GUEST)/initrd.img ## build the guest kernel (cached outside the checkout; KERNEL=distro takes Debian's) and the initrd
ifeq ($(KERNEL),distro)
guest: $(B)/configuration-distro.toml
endif
GUEST_KERNEL_INPUTS := $(shell find guest/kernel -type f ! -name 'distro.*' 2>/dev/null)
# A kernel is the cache's file by another name, whose time any checkout may change: what was built here has its own.
missing = $(if $(wildcard $(B)/$1/vmlinux),,FORCE)
$(B)/guest/.built: $(GUEST_KERNEL_INPUTS) $(call missing,guest)
	@mkdir -p $(@D)
	@# Kbuild says nothing when our -s reaches it, and its progress is counted from what it says.
	env -u MAKEFLAGS -u MFLAGS guest/kernel/build.sh --output $(@D) $(addprefix --source ,$(KERNEL_SOURCE))
	@touch $@
$(B)/gen/guest-package: FORCE
	@mkdir -p $(@D)
	@echo '$(KATA_GUEST_PACKAGE)' | cmp -s - $@ || echo '$(KATA_GUEST_PACKAGE)' > $@
$(B)/guest-distro/.built: guest/kernel/distro.sh guest/kernel/distro.modules $(B)/gen/guest-package $(call missing,guest-distro)
	@mkdir -p $(@D)
	KATA_GUEST_PACKAGE='$(KATA_GUEST_PACKAGE)' guest/kernel/distro.sh --output $(@D)
	@touch $@
$(B)/guest/initrd.img $(B)/guest-distro/initrd.img: %/initrd.img: %/.built $(B)/kata-agent guest/initrd/build.sh
	guest/initrd/build.sh --agent $(B)/kata-agent --modules $(@D)/modules --output $@

# --- tests ---
UNIT_SRCS := $(sort $(wildcard tests/unit/test-*.c))
UNIT_TESTS := $(patsubst tests/unit/%.c,$(B)/tests/%,$(UNIT_SRCS))
UNIT_HELPERS := $(patsubst %.c,$(B)/obj/%.o,$(filter-out $(UNIT_SRCS),$(wildcard tests/unit/*.c)))
.PRECIOUS: $(B)/obj/%.o $(B)/gen/%.pb-c.c $(B)/gen/%.pb-c.h
$(B)/tests/test-%: $(B)/obj/tests/unit/test-%.o $(UNIT_HELPERS) $(call lib,$(TEST_AREAS))
	@mkdir -p $(@D)
	$(call link,$(TEST_LIBS))

.PHONY: unit-tests check check-unit check-system check-start check-many check-faults check-security check-soak check-asan check-runtime-tools check-critest check-clock check-clones check-host lint fuzz fuzz-coverage bench demo deploy-image deb deps install uninstall clean help
unit-tests: $(UNIT_TESTS)
check: ## run all tests (installs what they need; as root)
	tests/run.sh
check-unit: ## run the unit and golden tests only (ASan, UBSan)
	tests/run.sh unit
check-system: ## run the system tests only (real QEMU, docker, podman, containerd)
	tests/run.sh system
check-start: ## run the quick system tests with templates off, so that each VM boots
	tests/run.sh start
check-many: ## run the tests that are about numbers of starts with large ones: KATA_STRESS=200 (default)
	tests/run.sh many
check-faults: ## kill and stop what pods consist of, and let system calls fail, KATA_FAULTS (300) times each, by KATA_SEED (1)
	tests/run.sh faults
check-security: ## let a guest that is played lie to the shim in every reply, and flood it: KATA_SECURITY seconds each (10)
	tests/run.sh security
check-soak: ## mixed verbs by docker, podman and containerd at once for KATA_SOAK_SECONDS (600): what is held stays the same
	tests/run.sh soak
check-asan: ## run the system tests with command line, shim and proxy under ASan and UBSan (hours)
	tests/run.sh asan
check-runtime-tools: ## run the validation programs of opencontainers/runtime-tools (a Go module), with runc beside
	tests/run.sh runtime-tools
check-critest: ## run the validation programs of Kubernetes' cri-tools (a Go module) by containerd, with runc beside
	tests/run.sh critest
check-clock: ## follow a guest's clock for KATA_CLOCK_SECONDS (600) while its QEMU is stopped now and then
	tests/run.sh clock
check-clones: ## start KATA_CLONES (50) VMs from one template, KATA_AT_ONCE (20) of them at once: they share nothing
	$(MAKE) -s all guest
	bats --tap tests/clones
check-host: ## run the system tests in an emulated host with KVM and systemd: HOST=debian12 (default) or debian13
	tests/run.sh whole-host $(HOST)
lint: ## formatting, layers, static analysis
	tests/lint.sh
fuzz: ## run every fuzzer for FUZZ_SECONDS (default 60) each
	tests/fuzz/run.sh
fuzz-coverage: ## which lines of the parsers of untrusted bytes the fuzzers reach by their corpora, as a Markdown table
	tests/fuzz/coverage.sh
bench: ## measure start, exec, memory, streams, network and files beside runc, crun and runsc, as Markdown (as root)
	tests/deps.sh bench
	$(MAKE) -s all guest
	tests/bench/run.sh
deploy-image: ## the image of deploy/kubernetes, as the OCI archive kata-deploy.tar in the build folder
	$(MAKE) -s B=$(B)/opt PREFIX=/opt/kata all guest
	deploy/image.sh $(B)/kata-deploy.tar B=$(B)/opt
deb: ## the Debian packages, in the folder deb of the build folder; DEB_VERSION= names another version
	deploy/deb.sh $(B)/deb $(DEB_VERSION)
deps: ## install the Debian packages the build needs
	tests/deps.sh build
demo: ## from nothing to a container in a VM (as root)
	tests/demo.sh

FUZZERS := $(patsubst tests/fuzz/%.c,$(B)/fuzz/%,$(wildcard tests/fuzz/fuzz-*.c))
.PHONY: fuzzers
fuzzers: $(FUZZERS)
# What tests/fuzz/faults.c may let fail.
FAULTS := malloc calloc realloc yajl_alloc socket accept4 connect getsockopt fcntl fcntl64 fstat mmap read write recv send \
	recvmsg sendmsg fiber_spawn loop_add_io loop_add_timer loop_timer_set loop_deadline_ms
$(B)/fuzz/fuzz-%: $(B)/obj/tests/fuzz/fuzz-%.o $(B)/obj/tests/fuzz/faults.o $(call lib,$(TEST_AREAS))
	@mkdir -p $(@D)
	$(call link,-fsanitize=fuzzer $(FAULTS:%=-Wl,--wrap=%) $(filter-out -lcmocka,$(TEST_LIBS)))
ifneq ($(filter fuzzer%,$(SAN)),)
$(B)/obj/src/common/arena.o: DEFS += -DARENA_CHUNK=0
endif

INSTALLED := $(addprefix $(BINDIR)/,kata-runtime containerd-shim-kata-v2) $(LIBEXECDIR)/kata-proxy \
	$(addprefix $(DATADIR)/,vmlinux initrd.img) $(DEFAULTSDIR)/configuration.toml $(addprefix $(MANDIR)/man8/,$(notdir $(wildcard man/*.8))) \
	$(BASHDIR)/kata-runtime $(ZSHDIR)/_kata-runtime $(FISHDIR)/kata-runtime.fish
install: all ## install below DESTDIR and PREFIX (/usr/local), the guest's kernel and initrd too when they are built
	install -d $(addprefix $(DESTDIR),$(BINDIR) $(LIBEXECDIR) $(DATADIR) $(DEFAULTSDIR) $(MANDIR)/man8 \
		$(BASHDIR) $(ZSHDIR) $(FISHDIR))
	install -s -m 755 $(B)/kata-runtime $(B)/containerd-shim-kata-v2 $(DESTDIR)$(BINDIR)
	install -s -m 755 $(B)/kata-proxy $(DESTDIR)$(LIBEXECDIR)
	$(call configure,$(DATADIR),$(if $(filter distro,$(KERNEL)),$(DISTRO_PARAMS))) configuration.toml.in \
		> $(DESTDIR)$(DEFAULTSDIR)/configuration.toml
	install -m 644 $(wildcard man/*.8) $(DESTDIR)$(MANDIR)/man8
	$(B)/kata-runtime completion bash > $(DESTDIR)$(BASHDIR)/kata-runtime
	$(B)/kata-runtime completion zsh > $(DESTDIR)$(ZSHDIR)/_kata-runtime
	$(B)/kata-runtime completion fish > $(DESTDIR)$(FISHDIR)/kata-runtime.fish
	@if [ -e $(GUEST)/initrd.img ]; then install -m 644 $(GUEST)/vmlinux $(GUEST)/initrd.img $(DESTDIR)$(DATADIR); \
	else echo "note: the guest is not built and so not installed: run \`make guest\`, then this again"; fi
uninstall: ## remove what `make install` with the same DESTDIR and PREFIX installed
	rm -f $(addprefix $(DESTDIR),$(INSTALLED))
	-rmdir --ignore-fail-on-non-empty $(wildcard $(addprefix $(DESTDIR),$(DATADIR) $(DEFAULTSDIR)))

clean: ## remove the build folder
	rm -rf $(B)
help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 16

-include $(shell find $(B)/obj $(B)/gen -name '*.d' 2>/dev/null)
