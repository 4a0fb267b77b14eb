/* Names of keys, as --keys takes them: a character stands for itself, anything else is a name in
 * angle brackets: <Enter> <Esc> <Up> <PgDn> <F1> <C-l> <Wait> <Tab> <BackTab> <Space> <lt>. Names
 * are read in any case. */
#ifndef VMSCOPE_UI_KEYS_H
#define VMSCOPE_UI_KEYS_H

#include <stddef.h>

#include "base/err.h"
#include "ui/view.h"

enum { KEY_NAME_MAX = 16 };

/* Takes the first key of *text and advances *text behind it; KEY_CODE_NONE at its end. 0, or
 * -EINVAL with *e naming what is no key. */
int keys_next(const char **text, int *key, struct err *e);

/* The name of a key, as keys_next reads it. */
const char *keys_name(char out[KEY_NAME_MAX], int key);

/* The key that a terminal means by a character: some control characters are keys with a name. */
int keys_of_char(uint32_t c);

/* The binding of a key in a table ended by a NULL label, or NULL. */
const struct binding *binding_find(const struct binding *table, int key);

#endif
