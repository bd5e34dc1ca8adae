// problem: cpp

#include <iostream>
#include <thread>
int main() { int a, b, s = 0; std::cin >> a >> b; std::thread t([&] { s = a + b; }); t.join(); std::cout << s << std::endl; }
