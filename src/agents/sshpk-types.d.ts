/** What is used of sshpk 1.18, which brings no types of its own. */
declare module 'sshpk' {
  export interface Key {
    readonly type: 'rsa' | 'ecdsa' | 'ed25519' | 'dsa' | 'curve25519'
    /** Bits of an RSA modulus. */
    readonly size: number
    toBuffer(format: 'pkcs8'): Buffer
    createVerify(hashAlgorithm: string): { update(data: Buffer): void; verify(signature: Signature): boolean }
  }
  export interface Signature {
    readonly type: string
  }
  const sshpk: {
    /** Throws `KeyParseError`. */
    parseKey(data: Buffer, format: 'rfc4253'): Key
    /** Throws `SignatureParseError`. */
    parseSignature(data: Buffer, type: string, format: 'ssh'): Signature
  }
  export default sshpk
}
