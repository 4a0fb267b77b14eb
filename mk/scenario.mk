# The code of a stage touches no page of which its first operation has not touched another part:
# nothing that a sanitizer adds, no table of jumps.
STAGE_CFLAGS := -fno-jump-tables -fno-stack-protector -fno-sanitize=all -fcf-protection=none
$(B)/src/scenario/stage_main.o: private ALL_CFLAGS += $(STAGE_CFLAGS)
