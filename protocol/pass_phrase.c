/* SPDX-License-Identifier: Apache-2.0 */
#include "protocol/pass_phrase.h"

#include <openssl/ui.h>

#include "base/base.h"

int pass_phrase_none(char *buf, int size, int is_writing, void *arg)
{
    (void)is_writing;
    (void)arg;
    if (size > 0) {
        buf[0] = '\0';
    }
    return -1;
}

static int refuse(UI *ui)
{
    (void)ui;
    return 0;
}

/* UI_null() would not do: with it the answer is whatever the buffer had before. */
void pass_phrase_never_ask(void)
{
    static UI_METHOD *nobody; /* for the life of the process */

    if (nobody == NULL) {
        nobody = UI_create_method("nobody is there");
        CHECK(nobody != NULL && UI_method_set_opener(nobody, refuse) == 0);
        UI_set_default_method(nobody);
    }
}
