/* What goes over the socket between a stage and its driver: one request, one reply, each a message
 * of fixed size; the same binary is at both ends. A hello comes first, also from a forked stage. */
#ifndef VMSCOPE_SCENARIO_STAGE_WIRE_H
#define VMSCOPE_SCENARIO_STAGE_WIRE_H

#include <stdint.h>
#include <sys/socket.h>

#include "scenario/stage.h"

#define STAGE_NAME "vmscope-stage" /* its argv[0]; argv[1] are its options */

/* Descriptors of a stage when it is executed. */
enum { STAGE_FD_SOCKET = 3, STAGE_FD_DEATH = 4 };

struct stage_hello {
    int32_t pid;
    struct stage_layout layout;
};

struct stage_request {
    uint32_t what;
    uint64_t args[STAGE_ARGS];
};

struct stage_reply {
    int64_t value;
    int32_t error, signal, code, tid;
    uint64_t address, minor, major, begin_ns, end_ns;
};

/* Room for one descriptor beside a message. */
struct stage_control {
    _Alignas(struct cmsghdr) char bytes[CMSG_SPACE(sizeof(int))];
};

#endif
