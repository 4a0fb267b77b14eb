/* Signals of an interactive program. Those that ask for something arrive as numbers in a pipe that
 * the loop polls; those that mean a crash put the terminal back at once and then have their own
 * default effect. One set a process. */
#ifndef VMSCOPE_UI_SIGNALS_H
#define VMSCOPE_UI_SIGNALS_H

#include <stddef.h>
#include <termios.h>

enum { SIGNALS_RESTORE_MAX = 256 };

/* Installs the handlers. 0 or a negative errno. */
int signals_open(void);
/* Puts the former handlers back. */
void signals_close(void);

/* Readable while signals wait; and the next one, or 0. */
int signals_fd(void);
int signals_next(void);

/* What a crash must do to the terminal `fd`: these bytes are written, these modes set. Replaces
 * what was said before; at most SIGNALS_RESTORE_MAX bytes count. */
void signals_guard(int fd, const struct termios *modes, const char *bytes, size_t len);
/* The terminal is as it was: nothing to do any more. */
void signals_unguard(void);

/* Stops the process as SIGTSTP does by default; returns once it was continued. */
void signals_stop(void);

#endif
