# Tests. `tests/run` builds the variants it needs by calling make again, so that a program that
# does not compile is a failed test with its output, like any other.
SUITES := layers compile unit unit-clang man install screens live live-nobody live-asan \
    fuzz

UNITS := $(patsubst tests/unit/%.c,$(B)/tests/unit/%,$(wildcard tests/unit/test_*.c))
FUZZERS := $(patsubst tests/fuzz/%.c,$(B)/tests/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_SUPPORT := $(patsubst %.c,$(B)/%.o,$(filter-out tests/fuzz/fuzz_%,$(wildcard tests/fuzz/*.c)))

SAN_FLAGS := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
TEST_LIBS := -lcmocka -ljansson

$(B)/tests/unit/%: $(B)/tests/unit/%.o $(LIB_OBJ)
	$(call say,link  $@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(PKG_LIBS) $(TEST_LIBS) $(LDLIBS)

$(B)/tests/fuzz/fuzz_%: $(B)/tests/fuzz/fuzz_%.o $(FUZZ_SUPPORT) $(LIB_OBJ)
	$(call say,link  $@)
	$(Q)$(CC) $(ALL_LDFLAGS) -fsanitize=fuzzer -o $@ $^ $(PKG_LIBS) $(LDLIBS)

units: $(UNITS)
fuzzers: $(FUZZERS)

# The variants.
ASAN := B=build/asan SAN='$(SAN_FLAGS)' CFLAGS='-O1 -g'
CLANG := B=build/clang CC=clang
FUZZ := B=build/fuzz CC=clang SAN='-fsanitize=fuzzer-no-link $(SAN_FLAGS)' CFLAGS='-O1 -g'

build-gcc:
	@$(MAKE) --no-print-directory -s all helpers benches
build-clang:
	@$(MAKE) --no-print-directory -s $(CLANG) all helpers benches
build-asan:
	@$(MAKE) --no-print-directory -s $(ASAN) all
build-unit:
	@$(MAKE) --no-print-directory -s $(ASAN) units
build-unit-clang:
	@$(MAKE) --no-print-directory -s $(CLANG) units
build-fuzz:
	@$(MAKE) --no-print-directory -s $(FUZZ) fuzzers

check: ## everything, from nothing: packages, build, every test
	@tools/deps.sh build demo check; deps=$$?; tests/run $(SUITES) && exit $$deps

$(SUITES:%=check-%): check-%:
	@tests/run $*

check-layers: ## who may include whom
check-compile: ## no warnings, with gcc and clang
check-unit: ## unit tests under AddressSanitizer and UBSan
check-unit-clang: ## unit tests built by clang
check-man: ## manual pages
check-install: ## install, uninstall and the search for packages
check-screens: ## expected screens; UPDATE=1 writes them anew
check-live: ## tests against live processes; T=name for one
check-live-nobody: ## those of them that need no privilege, without any
check-live-asan: ## the same, under AddressSanitizer and UBSan
check-fuzz: ## each parser for a few seconds; T=name FUZZ_SECONDS=n for one, longer

.PHONY: units fuzzers check $(SUITES:%=check-%) $(addprefix build-,gcc clang asan unit unit-clang fuzz)
