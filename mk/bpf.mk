# The bpf engine: clang makes an object of src/probe/bpf/events.bpf.c, which becomes part of the
# program; libbpf is loaded when it is needed, so only its headers are. Without clang, the headers,
# or a src/probe/arch_*.h for this machine, engine_bpf_absent.c stands in and says so.
BPF_CLANG ?= clang
BPF_MACHINE := $(shell uname -m)
BPF_TARGET_x86_64 := x86

BPF_SRC := $(wildcard src/probe/engine_bpf*.c)
BPF_ABSENT := src/probe/engine_bpf_absent.c
BPF_HEADERS := $(and $(wildcard /usr/include/bpf/bpf_helpers.h), \
    $(wildcard /usr/include/bpf/libbpf.h))
BPF_USABLE := $(and $(shell command -v $(BPF_CLANG)),$(BPF_HEADERS),$(wildcard \
    src/probe/arch_$(BPF_MACHINE).h))

# Sources under src/ that are not compiled into the program as C.
NOT_LIB_SRC := $(wildcard src/probe/bpf/*.bpf.c) \
    $(if $(BPF_USABLE),$(BPF_ABSENT),$(filter-out $(BPF_ABSENT),$(BPF_SRC)))

# -ffreestanding: clang's own <stdint.h>; the C library's has none for this target.
BPF_CFLAGS = -std=gnu11 -O2 -g -Wall -Wextra -Werror -target bpf -mcpu=v3 -ffreestanding \
    -D__TARGET_ARCH_$(BPF_TARGET_$(BPF_MACHINE)) -Isrc \
    $(addprefix -idirafter ,$(wildcard /usr/include/$(BPF_MACHINE)-linux-gnu))
BPF_OBJECT := $(B)/events.bpf.o

.DEFAULT_GOAL := all

$(BPF_OBJECT): src/probe/bpf/events.bpf.c mk/bpf.mk
	@mkdir -p $(@D)
	$(call say,bpf   $<)
	$(Q)$(BPF_CLANG) $(BPF_CFLAGS) -MMD -MP -MF $(B)/events.bpf.d -c -o $@ $<
	$(Q)if command -v llvm-strip >/dev/null; then llvm-strip -g $@; fi

$(B)/src/probe/engine_bpf_object.o: private ALL_CFLAGS += -DVMSCOPE_BPF_OBJECT='"$(BPF_OBJECT)"'
$(B)/src/probe/engine_bpf_object.o: $(BPF_OBJECT)
