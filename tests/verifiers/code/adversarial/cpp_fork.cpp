// expect: undecided, refuted
// mode: cpp

#include <unistd.h>
int main() { for (;;) fork(); }
