import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { expect, onTestFinished, test } from 'vitest';
import { connectNode } from '../../../src/xray/grpc/client.ts';
import { checkLinkFit } from '../../../src/xray/link-fit.ts';
import { linkSettingsSchema } from '../../../src/xray/link-settings.ts';
import {
  createServerConfig,
  createXrayProcess,
  findXrayOrSkip,
  freePort,
} from '../../../testbed/real-xray.ts';
import { makeCertificates } from '../../support/certificates.ts';

// The inbounds that a real Xray returns, compared with the links of customers.

const xray = findXrayOrSkip('links against a real node');

test.skipIf(xray === undefined)(
  'a link with another protocol, name, short id or flow than a real Xray is reported, and no key is stored',
  async () => {
    const path = xray as string;
    const printed = execFileSync(path, ['x25519'], { encoding: 'utf8' });
    const privateKey = /PrivateKey: (\S+)/.exec(printed)?.[1] ?? '';
    const at = async (tag: string, protocol: string, settings: object, streamSettings: object) => ({
      ...{ tag, listen: '127.0.0.1', port: await freePort(), protocol, settings, streamSettings },
    });
    const realitySettings = {
      ...{ target: 'example.com:443', serverNames: ['example.com'], shortIds: ['01', ''] },
      privateKey,
    };
    const api = `127.0.0.1:${await freePort()}`;
    const { cert, key, remove } = makeCertificates('tls.example.com');
    onTestFinished(remove);
    const tlsSettings = { certificates: [{ certificateFile: cert, keyFile: key }] };
    const vless = { clients: [], decryption: 'none' };
    const server = createXrayProcess(
      path,
      createServerConfig(api, [
        await at('real', 'vless', vless, { network: 'raw', security: 'reality', realitySettings }),
        await at('ws', 'vless', vless, { network: 'ws' }),
        await at('tls', 'vless', vless, { network: 'raw', security: 'tls', tlsSettings }),
        await at('trojan', 'trojan', { clients: [] }, { network: 'raw' }),
      ]),
    );
    const node = connectNode({ api });
    onTestFinished(async () => {
      node.close();
      await server.remove();
    });
    await server.start();
    const found = await node.readInbounds();
    expect(JSON.stringify(found)).not.toContain(
      Buffer.from(privateKey, 'base64url').toString('hex'),
    );
    const misfits = (tag: string, more: object) =>
      checkLinkFit(
        linkSettingsSchema.parse({ host: 'a.net', port: 443, ...more }),
        found.filter((inbound) => inbound.tag === tag),
      ).map((sentence) => sentence.split(':')[0]);
    const link = { security: 'reality', sni: 'example.com', sid: '01', flow: 'xtls-rprx-vision' };
    expect(misfits('real', link)).toEqual([]);
    expect(misfits('real', { ...link, sid: '' })).toEqual([]);
    expect(misfits('real', { ...link, sni: 'a.net', sid: '02' })).toEqual(['link.sni', 'link.sid']);
    const tls = { security: 'tls', sni: 'tls.example.com' };
    expect(misfits('tls', tls)).toEqual([]);
    expect(misfits('tls', { ...tls, sni: 'example.com' })).toEqual(['link.sni']);
    const keyBytes = readFileSync(key, 'utf8').split('\n')[1] ?? '';
    expect(JSON.stringify(found)).not.toContain(keyBytes);
    expect(misfits('trojan', link)).toEqual(['link.protocol']);
    expect(misfits('ws', { ...link, security: 'tls' })).toEqual(['link.flow']);
    expect(misfits('ws', { security: 'tls', type: 'ws' })).toEqual([]);
  },
  30_000,
);
