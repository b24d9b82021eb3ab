// The name of a network in the configuration: an address, a network as `10.0.0.0/8`, or a name for
// the private networks.

const networkNames = ['loopback', 'linklocal', 'uniquelocal'];

export const notANetworkText = `is not a network; expected an address, a network like 10.0.0.0/8, or one of ${networkNames.join(', ')}`;

const isV4 = (text: string): boolean =>
  /^\d{1,3}(\.\d{1,3}){3}$/.test(text) && text.split('.').every((part) => Number(part) <= 255);

/** Groups of hexadecimal digits with at most one `::`. The URL parser accepts all their forms. */
const isV6 = (text: string): boolean =>
  /^[0-9a-f:.]+$/i.test(text) && text.includes(':') && URL.canParse(`http://[${text}]/`);

export function isNetwork(text: string): boolean {
  if (networkNames.includes(text)) return true;
  const [address = '', bits, ...more] = text.split('/');
  if (more.length > 0 || (bits !== undefined && !/^\d{1,3}$/.test(bits))) return false;
  if (isV4(address)) return Number(bits ?? 32) <= 32;
  return isV6(address) && Number(bits ?? 128) <= 128;
}
