// problem: javascript

const lines = [];
require('readline').createInterface({ input: process.stdin }).on('line', l => lines.push(l)).on('close', () => {
  const [a, b] = lines[0].split(' ').map(Number);
  console.log(a + b);
});
