/**
 * Magic numbers of Linux file systems (statfs(2), linux/magic.h) whose bytes another machine, or a program in between,
 * may hold. Locks, renames and fsync keep their promises there only as far as that other side does.
 *
 * FUSE and 9p also carry local folders (ntfs-3g, virtiofs, the shared folders of virtual machines). The number does not
 * tell which, so they count as network: the owner can force the store open, and then knows.
 */
const NETWORK: ReadonlySet<number> = new Set([
  0x6969, // nfs
  0x517b, // smb
  0xff534d42, // cifs
  0xfe534d42, // smb2, smb3
  0x65735546, // fuse, fuseblk, virtiofs
  0x01021997, // 9p
  0x5346414f, // afs
  0x6b414653, // kafs
  0x73757245, // coda
  0x564c, // ncp
  0x00c36400, // ceph
  0x0bd00bd0, // lustre
  0x47504653, // gpfs
  0x19830326, // beegfs
  0x20030528, // orangefs, pvfs2
  0xaad7aaea, // panfs
  0x01161970, // gfs2
  0x7461636f, // ocfs2
  0x61636673, // acfs
  0xbeefdead, // snfs
  0x786f4256, // vboxsf
  0xbacbacbc, // vmhgfs
  0x7c7c6673, // prl_fs
])

/** Magic numbers of Linux file systems on a disk, or in the memory, of this machine. */
const LOCAL: ReadonlySet<number> = new Set([
  0xef53, // ext2, ext3, ext4
  0x58465342, // xfs
  0x9123683e, // btrfs
  0x2fc12fc1, // zfs
  0xf2f52010, // f2fs
  0xca451a4e, // bcachefs
  0x3153464a, // jfs
  0x52654973, // reiserfs
  0x3434, // nilfs2
  0x24051905, // ubifs
  0x72b6, // jffs2
  0x01021994, // tmpfs
  0x858458f6, // ramfs
  0x794c7630, // overlay
  0x61756673, // aufs
  0xf15f, // ecryptfs
  0x5346544e, // ntfs
  0x7366746e, // ntfs3
  0x4d44, // vfat
  0x2011bab0, // exfat
  0x482b, // hfs+
  0x00011954, // ufs
  0x73717368, // squashfs
  0xe0f5e1e2, // erofs
  0x9660, // iso9660
])

/**
 * Returns the kind of file system for a `type` that statfs reported. The numbers have this meaning on Linux only:
 * `unknown` on every other platform.
 */
export function fileSystemKind(type: number, platform: NodeJS.Platform): 'local' | 'network' | 'unknown' {
  if (platform !== 'linux') return 'unknown'
  const magic = type >>> 0 // statfs has a signed field on some machines
  if (NETWORK.has(magic)) return 'network'
  return LOCAL.has(magic) ? 'local' : 'unknown'
}
