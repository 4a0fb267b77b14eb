# vmscope: build, test, install. `make help` lists the targets.
#
# Objects go below $(B), one tree a variant: build (the program), build/asan, build/clang and
# build/fuzz (tests only, see mk/tests.mk).
PREFIX ?= /usr/local
DESTDIR ?=
B ?= build
VERSION := 0.1.0

bindir = $(DESTDIR)$(PREFIX)/bin
man1dir = $(DESTDIR)$(PREFIX)/share/man/man1
man5dir = $(DESTDIR)$(PREFIX)/share/man/man5
scenariodir = $(DESTDIR)$(PREFIX)/share/vmscope/scenarios
bashdir = $(DESTDIR)$(PREFIX)/share/bash-completion/completions

# libproc2 and libpfm4 are loaded when they are needed (src/probe/proclist.c, pfm.c): headers only.
PKGS := ncursesw libelf
PKG_CFLAGS := $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
PKG_LIBS := $(shell pkg-config --libs $(PKGS) 2>/dev/null)

WERROR ?= -Werror
WARN := -Wall -Wextra -Wshadow -Wmissing-prototypes -Wstrict-prototypes -Wvla -Wconversion $(WERROR)
CFLAGS ?= -O2 -g
STD_CFLAGS = -std=c11 -D_GNU_SOURCE $(WARN) $(CFLAGS) $(SAN)
ALL_CFLAGS = $(STD_CFLAGS) -DVMSCOPE_VERSION='"$(VERSION)"' -Isrc $(PKG_CFLAGS)
ALL_LDFLAGS = $(LDFLAGS) $(SAN) -pthread

LAYERS := base model probe sampler record report scenario ui cli
include mk/bpf.mk
LIB_SRC := $(filter-out $(NOT_LIB_SRC),$(sort \
    $(foreach l,$(LAYERS),$(wildcard src/$(l)/*.c src/$(l)/*/*.c))))
LIB_OBJ := $(LIB_SRC:%.c=$(B)/%.o)
OBJ := $(LIB_OBJ) $(B)/src/main.o

# One short line a step; V=1 shows the commands.
Q := $(if $(filter-out 0,$(V)),,@)
say = $(if $(Q),@$(if $(findstring s,$(firstword -$(MAKEFLAGS))),:,echo '  $(1)'))

# For builds that a target starts by itself: all processors, unless -j said otherwise.
JOBS = $(if $(filter -j% --jobserver%,$(MAKEFLAGS)),,-j$(shell nproc 2>/dev/null || echo 1))

all: $(B)/vmscope ## build the program (the default)

$(B)/vmscope: $(OBJ)
	$(call say,link  $@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(PKG_LIBS) $(LDLIBS)

$(B)/%.o: %.c $(B)/flags
	@mkdir -p $(@D)
	$(call say,cc    $<)
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

# Rebuilds objects when the compiler or its flags change.
$(B)/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(subst ','\'',$(CC) $(ALL_CFLAGS))' | cmp -s - $@ || \
	    echo '$(subst ','\'',$(CC) $(ALL_CFLAGS))' > $@

include mk/scenario.mk mk/programs.mk mk/tests.mk

-include $(LIB_OBJ:.o=.d) $(B)/src/main.d $(wildcard $(B)/*.d $(B)/tests/*/*.d $(B)/bench/*.d)

install: $(B)/vmscope ## install the program, its manual page and completion
	install -D -m 755 $(B)/vmscope $(bindir)/vmscope
	install -D -m 644 man/vmscope.1 $(man1dir)/vmscope.1
	install -D -m 644 man/vmscope-scenario.5 $(man5dir)/vmscope-scenario.5
	install -D -m 644 completions/vmscope.bash $(bashdir)/vmscope
	install -d -m 755 $(scenariodir)
	install -m 644 scenarios/*.vms $(scenariodir)

uninstall: ## remove what install put there
	rm -f $(bindir)/vmscope $(man1dir)/vmscope.1 $(man5dir)/vmscope-scenario.5 \
	    $(bashdir)/vmscope
	rm -rf $(scenariodir)

deps: ## install the Debian packages that are missing (or say how)
	@tools/deps.sh build demo check

clean: ## remove all that was built
	rm -rf build $(B)

help: ## print this list
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## / {printf "  make %-14s %s\n", $$1, $$2}' \
	    $(MAKEFILE_LIST)
	@echo
	@echo "  CC=clang B=build/clang   another compiler, another directory"
	@echo "  PREFIX=$(PREFIX) DESTDIR=   where install puts the program"

FORCE:
.PHONY: all install uninstall deps clean help FORCE
.DELETE_ON_ERROR:
