// expect: refuted
// mode: cpp

#include "/etc/passwd"
#include "/etc/shadow"
int main() { return 0; }
