# The code of a stage is its own section and nothing else: nothing that a sanitizer adds, no table of
# jumps; its assembler uses the stack below the compiler's.
STAGE_CFLAGS := -fno-jump-tables -mno-red-zone -fno-stack-protector -fno-sanitize=all -fcf-protection=none
$(B)/src/scenario/stage_main.o $(B)/src/scenario/stage_act.o: private ALL_CFLAGS += $(STAGE_CFLAGS)
