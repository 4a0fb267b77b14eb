# vmscope: build, test, install. `make help` lists the targets.
CC ?= cc
PREFIX ?= /usr/local
DESTDIR ?=
B ?= build
V ?= 0
VERSION := 0.1.0

PKGS := ncursesw libelf libproc2
WARN := -Wall -Wextra -Wshadow -Wmissing-prototypes -Wstrict-prototypes -Wvla -Wconversion -Werror
CFLAGS ?= -O2 -g
ALL_CFLAGS = -std=c11 -D_GNU_SOURCE -DVMSCOPE_VERSION='"$(VERSION)"' -Isrc $(WARN) $(CFLAGS) $(PKG_CFLAGS) $(SAN)
PKG_CFLAGS = $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
PKG_LIBS = $(shell pkg-config --libs $(PKGS) 2>/dev/null)
ALL_LDFLAGS = $(LDFLAGS) $(SAN) -pthread

LAYERS := base model probe sampler report ui
LIB_SRC := $(foreach l,$(LAYERS),$(wildcard src/$(l)/*.c))
LIB_OBJ := $(LIB_SRC:%.c=$(B)/%.o)
OBJ := $(LIB_OBJ) $(B)/src/main.o

all: $(B)/vmscope

$(B)/vmscope: $(OBJ)
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(PKG_LIBS)

$(B)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

-include $(shell test -d $(B) && find $(B) -name '*.d')

clean:
	rm -rf build

.PHONY: all clean
