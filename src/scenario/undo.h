/* Single changes of the machine, as what takes each of them back. Plain values of fixed size: they
 * travel to the keeper as messages. */
#ifndef VMSCOPE_SCENARIO_UNDO_H
#define VMSCOPE_SCENARIO_UNDO_H

#include <stdint.h>

enum undo_kind {
    UNDO_SETTING,     /* the file `path` gets `value` again */
    UNDO_POOL,        /* the number in `path` shrinks by `grown`, but not below `number` */
    UNDO_SWAP,        /* swapping to `path` ends */
    UNDO_ZRAM,        /* the zram device with the sysfs directory `path` is reset */
    UNDO_ZRAM_DEVICE, /* and the device `number` removed */
    UNDO_MOUNT,
    UNDO_DIRECTORY,
    UNDO_FILE,
    UNDO_APPEND_ONLY, /* the flag of the file `path` is cleared */
};

enum { UNDO_PATH = 400, UNDO_VALUE = 80 };

struct undo {
    uint32_t kind; /* enum undo_kind */
    int64_t number, grown;
    char path[UNDO_PATH];
    char value[UNDO_VALUE];
};

/* 0 also when there is nothing to take back; else a negative errno. Allocates nothing. */
int undo_one(const struct undo *u);

/* A setting as it stands: the word in brackets where the file lists all values. 0 or a negative
 * errno; -ENAMETOOLONG when it does not fit. */
int setting_read(const char *path, char *out, int cap);
int setting_write(const char *path, const char *value);
int setting_number(const char *path, int64_t *out);

#endif
