// expect: undecided, refuted
// mode: cpp

#include </dev/random>
int main() { return 0; }
