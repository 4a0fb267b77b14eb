/* vmscope doctor: what this user can see on this kernel. */
#include "cli/commands.h"
#include "probe/capability.h"
#include "report/doctor.h"

int command_doctor(const struct options *o)
{
    static struct capability_list list;
    struct err e = {0};
    struct buf out = {0};
    if (capability_probe(o->proc_root, &list, &e))
        return command_fail(&e, EXIT_FAILED);
    int rc = o->format == FORMAT_JSON ? doctor_json(&list, &out) : doctor_table(&list, &out);
    int status = EXIT_FAILED;
    if (rc)
        command_fail((err_set(&e, rc, "out of memory"), &e), EXIT_FAILED);
    else
        status = command_output(o, &out);
    buf_deinit(&out);
    return status;
}
