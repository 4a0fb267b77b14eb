# Programs beside vmscope: the demo, the processes that tests and benchmarks watch.
HELPERS := $(patsubst tests/helpers/%.c,$(B)/tests/helpers/%,$(wildcard tests/helpers/*.c))
BENCHES := $(patsubst bench/%.c,$(B)/bench/%,$(wildcard bench/*.c))

# One source, one program; no objects in between.
define build-program
@mkdir -p $(@D)
$(call say,cc    $@)
$(Q)$(CC) $(STD_CFLAGS) -MMD -MP -MF $@.d -o $@ $(filter %.c,$^) $(ALL_LDFLAGS) $(LDLIBS)
endef

$(B)/demo: demo/demo.c $(B)/flags
	$(build-program)

# Its callers are asked for.
$(B)/bench/faults: private CFLAGS += -fno-omit-frame-pointer
$(B)/bench/%: bench/%.c $(B)/flags
	$(build-program)

$(B)/tests/helpers/target_states: $(wildcard tests/helpers/states/*)
$(B)/tests/helpers/faults_known: $(wildcard tests/helpers/faults/*)
# Its chains are what is tested; the rest of the flags is as for all.
$(B)/tests/helpers/callers_known: private CFLAGS += -O0 -g -fno-omit-frame-pointer
$(B)/tests/helpers/%: tests/helpers/%.c $(B)/flags
	$(build-program)

helpers: $(HELPERS) $(if $(wildcard demo/demo.c),$(B)/demo)
benches: $(BENCHES)

demo: ## everything, from nothing: packages, build, and a live look at a small program
	@tools/deps.sh build demo
	@$(MAKE) --no-print-directory $(JOBS) all $(B)/demo
	@if [ -t 0 ] && [ -t 1 ]; then $(B)/vmscope run -- $(B)/demo; \
	else $(B)/vmscope snap -- $(B)/demo; fi

bench: ## measure, beside bare kernel reads and other tools
	@tools/deps.sh build bench
	@$(MAKE) --no-print-directory $(JOBS) all helpers benches
	@bench/run.py

.PHONY: helpers benches demo bench
