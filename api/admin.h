/* The operator's commands: `postreeve migrate` and `postreeve admin …`. They answer JSON on standard output. */
#pragma once

/* Each takes the arguments behind the command's name and answers the exit status: 0, 1 (failed), 2 (wrong use). */
int migrate_main(int argc, char **argv);
int admin_main(int argc, char **argv);

void admin_print_help(void);
