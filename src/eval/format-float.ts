// Floats as text, in the three ways Nix writes them: C++ streams (%g), std::to_string (%f) and nlohmann's JSON.

function special(value: number): string | null {
  // x86 makes NaNs with the sign bit set, and printf shows it.
  if (Number.isNaN(value)) return '-nan';
  if (value === Infinity) return 'inf';
  if (value === -Infinity) return '-inf';
  return null;
}

/** C's `%g`: six significant digits, trailing zeros removed; exponent form outside 1e-4 … 1e6. */
export function formatFloatG(value: number): string {
  const name = special(value);
  if (name !== null) return name;
  const sign = value < 0 || Object.is(value, -0) ? '-' : '';
  if (value === 0) return `${sign}0`;
  const [digits, exponent] = sixDigits(Math.abs(value));
  if (exponent < -4 || exponent >= 6) {
    const size = Math.abs(exponent);
    const mantissa = stripZeros(`${digits[0]!}.${digits.slice(1)}`);
    return `${sign}${mantissa}e${exponent < 0 ? '-' : '+'}${size < 10 ? '0' : ''}${size}`;
  }
  if (exponent < 0) return sign + stripZeros(`0.${'0'.repeat(-exponent - 1)}${digits}`);
  return sign + stripZeros(`${digits.slice(0, exponent + 1)}.${digits.slice(exponent + 1)}`);
}

/** Six significant digits and the exponent of the first; ties go to even, where toExponential() rounds them up. */
function sixDigits(size: number): [digits: string, exponent: number] {
  const [rounded, exponent] = split(size.toExponential(5));
  const [seven, exactExponent] = split(size.toExponential(6));
  if (seven[6] !== '5') return [rounded, exponent];
  const [exact] = split(size.toExponential(40));
  const isTie = /^.{6}50*$/.test(exact);
  return isTie && Number(exact[5]) % 2 === 0 ? [exact.slice(0, 6), exactExponent] : [rounded, exponent];
}

function split(exponential: string): [digits: string, exponent: number] {
  const e = exponential.indexOf('e');
  return [exponential.slice(0, e).replace('.', ''), Number(exponential.slice(e + 1))];
}

function stripZeros(digits: string): string {
  let end = digits.length;
  while (digits[end - 1] === '0') end--;
  if (digits[end - 1] === '.') end--;
  return digits.slice(0, end);
}

/** C's `%f`: six decimals, never an exponent. */
export function formatFloatF(value: number): string {
  const name = special(value);
  if (name !== null) return name;
  return toFixedExact(value, 6);
}

/** Number.toFixed for all magnitudes (JS switches to exponents at 1e21) and with the sign of -0. */
function toFixedExact(value: number, decimals: number): string {
  const size = Math.abs(value);
  const sign = value < 0 || Object.is(value, -0) ? '-' : '';
  if (size < 1e21) return sign + roundHalfEven(size, decimals);
  return `${sign}${BigInt(size).toString()}${decimals > 0 ? `.${'0'.repeat(decimals)}` : ''}`;
}

/** JS rounds ties up where C rounds them to even; only exact ties differ. */
function roundHalfEven(size: number, decimals: number): string {
  const text = size.toFixed(decimals);
  // A tie has an exact decimal expansion that ends in 5 at place decimals + 1; doubles have at most 1074 places, but
  // a tie at this place needs size * 2^(decimals + 1) integral.
  const scaled = size * 2 ** (decimals + 1);
  if (!Number.isInteger(scaled) || scaled > Number.MAX_SAFE_INTEGER) return text;
  const full = size.toFixed(Math.min(decimals + 1, 100));
  if (!full.endsWith('5') || Number(full) !== size) return text;
  const truncated = full.slice(0, -1);
  const last = truncated.endsWith('.') ? truncated.at(-2)! : truncated.at(-1)!;
  if (Number(last) % 2 !== 0) return text;
  return truncated.endsWith('.') ? truncated.slice(0, -1) : truncated;
}

/** nlohmann's dump(): shortest digits that read back the same, `.0` on integral values, null for inf and nan. */
export function formatFloatJson(value: number): string {
  if (!Number.isFinite(value)) return 'null';
  if (value === 0) return Object.is(value, -0) ? '-0.0' : '0.0';
  const size = Math.abs(value);
  if (size >= 1e-4 && size < 1e15) {
    // Here JavaScript writes the same digits, without an exponent.
    return Number.isInteger(value) ? `${value}.0` : value.toString();
  }
  const sign = value < 0 ? '-' : '';
  const [mantissa, exponentText] = size.toExponential().split('e') as [string, string];
  const digits = mantissa.replace('.', '');
  const exponent = Number(exponentText);
  const places = Math.abs(exponent);
  const head = digits.length === 1 ? digits : `${digits[0]!}.${digits.slice(1)}`;
  return `${sign}${head}e${exponent < 0 ? '-' : '+'}${places < 10 ? '0' : ''}${places}`;
}
