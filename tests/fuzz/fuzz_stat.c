/* /proc/PID/stat and status. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "probe/stat.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_copy(data, size);
    struct stat_line line;
    memset(&line, 0x5a, sizeof line);
    struct stat_line before = line;
    int rc = stat_parse(text, size, &line);
    if (rc)
        DEMAND(memcmp(&line, &before, sizeof line) == 0);
    else
        DEMAND(memchr(line.comm, '\0', sizeof line.comm) != NULL);
    struct counters c;
    uid_t uid = 0;
    memset(&c, 0, sizeof c);
    status_parse(text, size, &c, &uid);
    free(text);
    return 0;
}
