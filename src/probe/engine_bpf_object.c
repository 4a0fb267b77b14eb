/* The BPF object, taken into the program as it is. */
#include "probe/engine_bpf_parts.h"

__asm__(".pushsection .rodata\n"
        ".balign 16\n"
        ".globl engine_bpf_object, engine_bpf_object_end\n"
        "engine_bpf_object:\n"
        ".incbin \"" VMSCOPE_BPF_OBJECT "\"\n"
        "engine_bpf_object_end:\n"
        ".popsection\n");
