# SPDX-License-Identifier: Apache-2.0
#
# Galeway's build. `make help` says what there is.
#
#   MODE=release|debug|asan|tsan|fuzz|cover   each in build/<mode>; release's binary is build/galeway
#   CC=gcc|clang   WERROR=1   B=<folder for objects>   FOLDERS="base protocol"   (parts of the tree)
#
# Nothing but git, make and a shell is expected: build/flags.mk is made first, and making it
# installs the packages and asks pkg-config.

MODE ?= release
B ?= build/$(MODE)
FOLDERS ?= base conf protocol pool router proxy admin
PREFIX ?= /usr/local
SBINDIR ?= $(PREFIX)/sbin
MANDIR ?= $(PREFIX)/share/man
UNITDIR ?= $(PREFIX)/lib/systemd/system
CONF ?=
FUZZ_SECONDS ?= 30

SHELL := /bin/bash
.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-print-directory --no-builtin-rules
ifeq ($(MAKELEVEL)$(findstring j,$(firstword -$(MAKEFLAGS))),0)
MAKEFLAGS += -j$(shell nproc)
endif

# --- what is built ---------------------------------------------------------------------------
MAIN := $(wildcard proxy/main.c)
SRC := $(filter-out proxy/main.c,$(sort $(wildcard $(FOLDERS:%=%/*.c))))
UNIT_SRC ?= $(sort $(wildcard tests/unit/*.c))
# Tools of the tests: a folder below tests/bench or tests/fake is one program, so is a file there.
TOOL_SRC := $(sort $(wildcard tests/bench/*.c tests/fake/*.c tests/bench/*/*.c tests/fake/*/*.c))
TOOL_NAMES := $(sort $(foreach f,$(TOOL_SRC:tests/%=%),$(basename $(word 2,$(subst /, ,$(f))))))
# Loaded into the program by tests (LD_PRELOAD).
FAULTS_SRC := $(sort $(wildcard tests/faults/*.c))
FUZZ_SRC := $(sort $(wildcard tests/fuzz/fuzz_*.c))
# What several fuzzers stand on, and the unit tests that run their seeds.
FRAME_SRC := $(sort $(wildcard tests/fuzz/frame/*.c))
# tests/bench/build.sh makes programs of these and of parts of tests/bench/loadgen.
DRILL_SRC := $(sort $(wildcard tests/drill/load/*.c tests/stale/load/*.c))
ALL_C := $(SRC) $(MAIN) $(UNIT_SRC) $(TOOL_SRC) $(DRILL_SRC) $(FUZZ_SRC) \
    $(FRAME_SRC) $(FAULTS_SRC)
ALL_H := $(sort $(wildcard $(FOLDERS:%=%/*.h) tests/*/*.h tests/*/*/*.h))

LIB := $(B)/libgaleway.a
BIN := $(if $(filter build/release,$(B)),build/galeway,$(B)/galeway)
UNIT := $(B)/unit
TOOLS := $(TOOL_NAMES:%=$(B)/%)
FUZZERS := $(FUZZ_SRC:%.c=$(B)/%)
FAULTS := $(FAULTS_SRC:tests/faults/%.c=$(B)/%.so)

# --- compiler --------------------------------------------------------------------------------
ifeq ($(origin CC),default)
CC := $(if $(filter fuzz,$(MODE)),clang,gcc)
endif

WARN := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes \
    -Wold-style-definition -Wpointer-arith -Wcast-qual -Wwrite-strings -Wformat=2 -Wvla -Walloca \
    -Wundef -Wswitch-enum -Wimplicit-fallthrough -Wnull-dereference -Wdouble-promotion \
    -Wredundant-decls
ifeq ($(findstring clang,$(CC)),)
WARN += -Wlogical-op -Wduplicated-cond -Wduplicated-branches -Walloc-zero -Wjump-misses-init
endif
ifdef WERROR
WARN += -Werror
endif

SANE := -fno-omit-frame-pointer -fno-sanitize-recover=all -DSANITIZED
MODE_release := -O2 -g -D_FORTIFY_SOURCE=2
MODE_debug := -Og -g3
MODE_asan := -O1 -g $(SANE) -fsanitize=address,undefined
MODE_tsan := -O1 -g $(SANE) -fsanitize=thread
MODE_fuzz := -O1 -g $(SANE) -fsanitize=address,undefined,fuzzer-no-link -DFUZZING
MODE_cover := -O0 -g --coverage
ifndef MODE_$(MODE)
$(error MODE=$(MODE) is none of release debug asan tsan fuzz cover)
endif

HARDEN := -fno-common -fno-strict-overflow -fstack-protector-strong -fstack-clash-protection -fPIE
# Whoever builds a version, and wherever, gets the same program.
COMPILE = $(CC) -std=c11 -D_GNU_SOURCE -ffile-prefix-map=$(CURDIR)=. -I. -include base/banned.h $(PKG_CFLAGS) $(WARN) $(HARDEN) \
    $(MODE_$(MODE)) -pthread $(CFLAGS)
LINK = $(CC) $(MODE_$(MODE)) -pie -pthread -Wl,--as-needed -Wl,-z,relro -Wl,-z,now $(LDFLAGS)

# A size that is too large is an answer of malloc(), here as in production.
export ASAN_OPTIONS ?= allocator_may_return_null=1

# --- everyday targets ------------------------------------------------------------------------
.PHONY: all lib run test unit integration asan tsan fuzz bench ryw drill stale outside lint format install deb clean \
    help \
    unit-binary tools fuzzers objects tidy FORCE

all: $(LIB) $(if $(MAIN),$(BIN)) ## build build/galeway (MODE=debug|asan|tsan|cover: build/<mode>)

lib: $(LIB) ## build build/<mode>/libgaleway.a: everything but main

run: all ## start a cluster and the proxy on it, in the foreground (CONF=file, PORT, ADMIN_PORT, BASE_PORT)
	@tests/setup/packages.sh test
	GALEWAY_BIN=$(BIN) tests/setup/run.sh $(CONF)

test: ## everything: packages, build, unit, integration, bench smoke; ends with "N passed, N failed"
	@MODE=$(MODE) tests/run.sh

unit: $(UNIT) ## unit tests (ONLY="name ..." picks)
	$(UNIT) $(ONLY)

integration: all tools ## tests against real nodes (ONLY="pytest arguments")
	@MODE=$(MODE) PYTEST_ARGS="$(ONLY)" tests/run.sh packages integration

asan: ## unit and integration with address and undefined behaviour sanitizers
	@MODE=asan tests/run.sh packages build unit integration

tsan: ## unit and integration with the thread sanitizer
	@MODE=tsan tests/run.sh packages build unit integration

fuzz: ## each fuzzer for FUZZ_SECONDS (30)
	@tests/setup/packages.sh build lint
	@$(MAKE) MODE=fuzz fuzzers
	@tests/fuzz/run.sh $(FUZZ_SECONDS)

bench: all tools ## measure against a direct connection and other proxies
	@tests/setup/packages.sh test
	GALEWAY_BIN=$(BIN) tests/bench/bench.sh

ryw: all tools ## pages that write and read back, on three nodes: nothing stale, and where reads go
	@tests/setup/packages.sh test
	GALEWAY_BIN=$(BIN) tests/bench/ryw.sh

stale: all tools ## is any read older than it may be, while nodes break? (STALE="--length 300")
	@tests/setup/packages.sh test
	GALEWAY_BIN=$(BIN) tests/stale/stale.sh $(STALE)

drill: all tools ## break nodes under load and count what clients see
	@tests/setup/packages.sh test
	GALEWAY_BIN=$(BIN) tests/drill/drill.sh

outside: all ## the test suites of client libraries, on a node and through Galeway (OUTSIDE="--suite go")
	@tests/setup/packages.sh test
	GALEWAY_BIN=$(BIN) tests/outside/outside.sh $(OUTSIDE)

install: all ## install to DESTDIR/PREFIX: program, manual, example, systemd unit
	install -D -m 755 $(BIN) $(DESTDIR)$(SBINDIR)/galeway
	install -D -m 644 conf/galeway.8 $(DESTDIR)$(MANDIR)/man8/galeway.8
	install -D -m 644 conf/galeway.cnf.5 $(DESTDIR)$(MANDIR)/man5/galeway.cnf.5
	install -D -m 644 conf/galeway.cnf $(DESTDIR)$(PREFIX)/share/galeway/galeway.cnf
	install -D -m 644 LICENSE $(DESTDIR)$(PREFIX)/share/doc/galeway/LICENSE
	install -d $(DESTDIR)$(UNITDIR)
	sed 's|@SBINDIR@|$(SBINDIR)|g' conf/galeway.service.in >$(DESTDIR)$(UNITDIR)/galeway.service
	chmod 644 $(DESTDIR)$(UNITDIR)/galeway.service

# Built from a copy: what debhelper cleans is not this tree. Tests are run by `make test`.
deb: build/deb/built ## a Debian package, and say where it is
	@cat $<

build/deb/built: $(SRC) $(MAIN) $(ALL_H) $(shell find debian -type f) $(wildcard conf/galeway*) \
    admin/PROXYSQL.md README.md LICENSE Makefile
	@tests/setup/packages.sh build deb
	@mkdir -p $(@D) && debian/build.sh $(@D) >$@

clean: ## remove build/
	rm -rf build

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 16

# --- rules (V=1 shows the commands) ----------------------------------------------------------
SAY = $(if $(V),,@echo "$1" &&)

unit-binary: $(UNIT)
tools: $(TOOLS) $(FAULTS)
fuzzers: $(FUZZERS)
objects: $(ALL_C:%.c=$(B)/%.o)

$(B)/%.o: %.c build/flags.mk Makefile
	@mkdir -p $(@D)
	$(call SAY,CC $<) $(COMPILE) -MMD -MP -c -o $@ $<

$(LIB): $(SRC:%.c=$(B)/%.o)
	@rm -f $@ && ar qcs $@ $^ # q: two folders may have a file of one name

$(BIN): $(B)/proxy/main.o $(LIB)
	$(call SAY,LINK $@) $(LINK) -o $@ $^ $(PKG_LIBS)

$(UNIT): $(UNIT_SRC:%.c=$(B)/%.o) $(FRAME_SRC:%.c=$(B)/%.o) $(LIB)
	$(call SAY,LINK $@) $(LINK) -o $@ $^ $(PKG_LIBS) $(CMOCKA_LIBS)

define TOOL_RULE
$(B)/$1: $(patsubst %.c,$(B)/%.o,$(wildcard tests/*/$1.c tests/*/$1/*.c)) $(LIB)
endef
$(foreach name,$(TOOL_NAMES),$(eval $(call TOOL_RULE,$(name))))
$(TOOLS):
	$(call SAY,LINK $@) $(LINK) -o $@ $^ $(PKG_LIBS) -lm

$(FAULTS): $(B)/%.so: $(B)/tests/faults/%.o
	$(call SAY,LINK $@) $(CC) -shared -o $@ $^ -ldl

$(B)/tests/faults/%.o: CFLAGS += -fPIC -fno-builtin

$(FUZZERS): $(B)/%: $(B)/%.o $(FRAME_SRC:%.c=$(B)/%.o) $(LIB)
	$(call SAY,LINK $@) $(LINK) -fsanitize=fuzzer -o $@ $^ $(PKG_LIBS)

-include $(ALL_C:%.c=$(B)/%.d)

# Libraries by name. Asked once a run, and only replaced when the answer changed.
PKGS := libuv openssl libsodium libpcre2-8 libxxhash libconfig jansson sqlite3 libmariadb zlib
build/flags.mk: FORCE
	@tests/setup/packages.sh build && mkdir -p build && tmp=build/flags.$$$$ && { \
	    cflags=$$(pkg-config --cflags $(PKGS) cmocka) && libs=$$(pkg-config --libs $(PKGS)) && \
	    cmocka=$$(pkg-config --libs cmocka) && echo "PKG_CFLAGS := $${cflags//-I/-isystem }" && \
	    echo "PKG_LIBS := $$libs" && echo "CMOCKA_LIBS := $$cmocka"; } >$$tmp && \
	    { cmp -s $$tmp $@ && rm $$tmp || mv $$tmp $@; }
ifneq ($(filter-out clean help test asan tsan fuzz format deb,$(or $(MAKECMDGOALS),all)),)
-include build/flags.mk
endif

# --- lint ------------------------------------------------------------------------------------
lint: ## layers, sizes, words, format, both compilers with -Werror, clang-tidy, cppcheck
	@tests/setup/packages.sh build lint
	@rc=0; for check in layers size words; do tests/lint/$$check.sh || rc=1; done; \
	    clang-format --dry-run -Werror $(ALL_C) $(ALL_H) || rc=1; exit $$rc
	@$(MAKE) CC=gcc WERROR=1 B=build/lint-gcc objects
	@$(MAKE) CC=clang WERROR=1 B=build/lint-clang objects tidy
	@mkdir -p build/cppcheck
	@# Of what it has found before it prints only, and ends with 0: what is printed counts.
	cppcheck -q -j2 --std=c11 --enable=warning,performance,portability --inline-suppr -I. \
	    --suppressions-list=tests/lint/cppcheck.txt --cppcheck-build-dir=build/cppcheck \
	    --error-exitcode=1 $(SRC) $(MAIN) 2>build/cppcheck.found; \
	    rc=$$?; cat build/cppcheck.found; test $$rc = 0 -a ! -s build/cppcheck.found
	@echo "lint: clean"

# A stamp for each source file: made again only when the file or a header it includes changed.
tidy: $(patsubst %.c,$(B)/%.tidy,$(SRC) $(MAIN) $(UNIT_SRC))
$(B)/%.tidy: $(B)/%.o .clang-tidy
	@echo "TIDY $*.c"
	@clang-tidy --quiet $*.c -- $(filter-out $(WARN),$(COMPILE:$(CC)%=%)) 2>$@.err || \
	    { cat $@.err; exit 1; }
	@touch $@

format: ## clang-format every source file in place
	@tests/setup/packages.sh lint
	clang-format -i $(ALL_C) $(ALL_H)
