;; CRC-32C in WebAssembly. `node scripts/build-crc.mjs` compiles this into crc32c-wasm-module.ts.
;;
;; Memory, in bytes:
;;       0  sixteen tables of 256 i32, filled by the host: table n for a byte with n bytes behind it in its block
;;   16384  digest    i32, left by $seal and $check
;;   16388  frames    i32, left by $check
;;   16448  scratch, up to the end of the memory
;;
;; The host keeps every range inside the scratch and sees to it that the lengths of the frames fill theirs exactly; the
;; worst a mistake there could do is to read or spoil this memory, never another.
(module
  (memory (export "memory") 4 4)

  ;; The CRC-32C of bytes [at, end), continuing from the result for the bytes before them.
  (func $crc (export "crc") (param $at i32) (param $end i32) (param $crc i32) (result i32)
    (local $w0 i32) (local $w1 i32) (local $w2 i32) (local $w3 i32)
    (local.set $crc (i32.xor (local.get $crc) (i32.const -1)))
    ;; Sixteen bytes at a time: sixteen lookups, none waiting for another.
    (block $short
      (loop $block
        (br_if $short (i32.lt_u (i32.sub (local.get $end) (local.get $at)) (i32.const 16)))
        (local.set $w0 (i32.xor (local.get $crc) (i32.load (local.get $at))))
        (local.set $w1 (i32.load offset=4 (local.get $at)))
        (local.set $w2 (i32.load offset=8 (local.get $at)))
        (local.set $w3 (i32.load offset=12 (local.get $at)))
        (local.set $crc
          (i32.xor
            (i32.xor
              (i32.xor
                (i32.xor
                  (i32.load offset=15360 (i32.shl (i32.and (local.get $w0) (i32.const 0xff)) (i32.const 2)))
                  (i32.load offset=14336 (i32.and (i32.shr_u (local.get $w0) (i32.const 6)) (i32.const 0x3fc))))
                (i32.xor
                  (i32.load offset=13312 (i32.and (i32.shr_u (local.get $w0) (i32.const 14)) (i32.const 0x3fc)))
                  (i32.load offset=12288 (i32.shl (i32.shr_u (local.get $w0) (i32.const 24)) (i32.const 2)))))
              (i32.xor
                (i32.xor
                  (i32.load offset=11264 (i32.shl (i32.and (local.get $w1) (i32.const 0xff)) (i32.const 2)))
                  (i32.load offset=10240 (i32.and (i32.shr_u (local.get $w1) (i32.const 6)) (i32.const 0x3fc))))
                (i32.xor
                  (i32.load offset=9216 (i32.and (i32.shr_u (local.get $w1) (i32.const 14)) (i32.const 0x3fc)))
                  (i32.load offset=8192 (i32.shl (i32.shr_u (local.get $w1) (i32.const 24)) (i32.const 2))))))
            (i32.xor
              (i32.xor
                (i32.xor
                  (i32.load offset=7168 (i32.shl (i32.and (local.get $w2) (i32.const 0xff)) (i32.const 2)))
                  (i32.load offset=6144 (i32.and (i32.shr_u (local.get $w2) (i32.const 6)) (i32.const 0x3fc))))
                (i32.xor
                  (i32.load offset=5120 (i32.and (i32.shr_u (local.get $w2) (i32.const 14)) (i32.const 0x3fc)))
                  (i32.load offset=4096 (i32.shl (i32.shr_u (local.get $w2) (i32.const 24)) (i32.const 2)))))
              (i32.xor
                (i32.xor
                  (i32.load offset=3072 (i32.shl (i32.and (local.get $w3) (i32.const 0xff)) (i32.const 2)))
                  (i32.load offset=2048 (i32.and (i32.shr_u (local.get $w3) (i32.const 6)) (i32.const 0x3fc))))
                (i32.xor
                  (i32.load offset=1024 (i32.and (i32.shr_u (local.get $w3) (i32.const 14)) (i32.const 0x3fc)))
                  (i32.load offset=0 (i32.shl (i32.shr_u (local.get $w3) (i32.const 24)) (i32.const 2))))))))
        (local.set $at (i32.add (local.get $at) (i32.const 16)))
        (br $block)))
    ;; Then four at a time.
    (block $short
      (loop $word
        (br_if $short (i32.lt_u (i32.sub (local.get $end) (local.get $at)) (i32.const 4)))
        (local.set $w0 (i32.xor (local.get $crc) (i32.load (local.get $at))))
        (local.set $crc
          (i32.xor
            (i32.xor
              (i32.load offset=3072 (i32.shl (i32.and (local.get $w0) (i32.const 0xff)) (i32.const 2)))
              (i32.load offset=2048 (i32.and (i32.shr_u (local.get $w0) (i32.const 6)) (i32.const 0x3fc))))
            (i32.xor
              (i32.load offset=1024 (i32.and (i32.shr_u (local.get $w0) (i32.const 14)) (i32.const 0x3fc)))
              (i32.load offset=0 (i32.shl (i32.shr_u (local.get $w0) (i32.const 24)) (i32.const 2))))))
        (local.set $at (i32.add (local.get $at) (i32.const 4)))
        (br $word)))
    ;; And the last three one by one.
    (block $done
      (loop $byte
        (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
        (local.set $w0 (i32.xor (local.get $crc) (i32.load8_u (local.get $at))))
        (local.set $crc
          (i32.xor
            (i32.shr_u (local.get $crc) (i32.const 8))
            (i32.load (i32.shl (i32.and (local.get $w0) (i32.const 0xff)) (i32.const 2)))))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br $byte)))
    (i32.xor (local.get $crc) (i32.const -1)))

  ;; The checksum a frame should carry: over everything behind its length and its checksum.
  (func $frame (param $at i32) (result i32)
    (call $crc
      (i32.add (local.get $at) (i32.const 8))
      (i32.add (local.get $at) (i32.load (local.get $at)))
      (i32.const 0)))

  ;; Stores the checksum of each frame in [at, end); continues the digest by them.
  (func (export "seal") (param $at i32) (param $end i32) (param $digest i32)
    (loop $next
      (i32.store offset=4 (local.get $at) (call $frame (local.get $at)))
      (local.set $digest
        (call $crc
          (i32.add (local.get $at) (i32.const 4)) (i32.add (local.get $at) (i32.const 8)) (local.get $digest)))
      (local.set $at (i32.add (local.get $at) (i32.load (local.get $at))))
      (br_if $next (i32.lt_u (local.get $at) (local.get $end))))
    (i32.store (i32.const 16384) (local.get $digest)))

  ;; Compares the checksum of each frame in [at, end); returns where the first wrong one starts, or end.
  (func (export "check") (param $at i32) (param $end i32) (param $digest i32) (result i32)
    (local $frames i32)
    (block $wrong
      (loop $next
        (br_if $wrong (i32.ne (i32.load offset=4 (local.get $at)) (call $frame (local.get $at))))
        (local.set $digest
          (call $crc
            (i32.add (local.get $at) (i32.const 4)) (i32.add (local.get $at) (i32.const 8)) (local.get $digest)))
        (local.set $frames (i32.add (local.get $frames) (i32.const 1)))
        (local.set $at (i32.add (local.get $at) (i32.load (local.get $at))))
        (br_if $next (i32.lt_u (local.get $at) (local.get $end)))))
    (i32.store (i32.const 16384) (local.get $digest))
    (i32.store (i32.const 16388) (local.get $frames))
    (local.get $at)))
