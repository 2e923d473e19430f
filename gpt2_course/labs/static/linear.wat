;; The source of linear.wasm: the function `linear` of engine.mjs, on vectors of four numbers (f32x4), whose four sums
;; most processors compute at once. To rebuild linear.wasm, run `make wasm`.
(module
  (memory (import "js" "memory") 1)

  ;; y (T, nOut) = x (T, nIn) times the transpose of w (nOut, nIn), plus b (nOut). nIn and nOut are multiples of 4.
  ;; x, w, b, and y are byte offsets into memory. A float32 takes 4 bytes.
  (func (export "linear")
    (param $x i32) (param $w i32) (param $b i32) (param $y i32) (param $T i32) (param $nIn i32) (param $nOut i32)
    (local $row i32)   ;; bytes per row of x and of w
    (local $step i32)  ;; bytes per row of y
    (local $yEnd i32) (local $xEnd i32) (local $xi i32) (local $to i32) (local $from i32)
    (local $w0 i32) (local $w1 i32) (local $w2 i32) (local $w3 i32) (local $four v128)
    (local $s0 v128) (local $s1 v128) (local $s2 v128) (local $s3 v128)
    (local.set $row (i32.shl (local.get $nIn) (i32.const 2)))
    (local.set $step (i32.shl (local.get $nOut) (i32.const 2)))
    (local.set $yEnd (i32.add (local.get $y) (local.get $step)))

    (loop $outputs  ;; four outputs at a time, one row of w each
      (local.set $to (local.get $y))
      (local.set $from (local.get $x))
      (local.set $xEnd (i32.add (local.get $x) (i32.mul (local.get $row) (local.get $T))))

      (loop $rows  ;; each row of x
        (local.set $xi (local.get $from))
        (local.set $from (i32.add (local.get $from) (local.get $row)))
        (local.set $w0 (local.get $w))
        (local.set $w1 (i32.add (local.get $w0) (local.get $row)))
        (local.set $w2 (i32.add (local.get $w1) (local.get $row)))
        (local.set $w3 (i32.add (local.get $w2) (local.get $row)))
        (local.set $s0 (v128.const f32x4 0 0 0 0))
        (local.set $s1 (v128.const f32x4 0 0 0 0))
        (local.set $s2 (v128.const f32x4 0 0 0 0))
        (local.set $s3 (v128.const f32x4 0 0 0 0))

        (loop $inputs  ;; four inputs at a time
          (local.set $four (v128.load (local.get $xi)))
          (local.set $s0 (f32x4.add (local.get $s0) (f32x4.mul (local.get $four) (v128.load (local.get $w0)))))
          (local.set $s1 (f32x4.add (local.get $s1) (f32x4.mul (local.get $four) (v128.load (local.get $w1)))))
          (local.set $s2 (f32x4.add (local.get $s2) (f32x4.mul (local.get $four) (v128.load (local.get $w2)))))
          (local.set $s3 (f32x4.add (local.get $s3) (f32x4.mul (local.get $four) (v128.load (local.get $w3)))))
          (local.set $w0 (i32.add (local.get $w0) (i32.const 16)))
          (local.set $w1 (i32.add (local.get $w1) (i32.const 16)))
          (local.set $w2 (i32.add (local.get $w2) (i32.const 16)))
          (local.set $w3 (i32.add (local.get $w3) (i32.const 16)))
          (br_if $inputs (i32.lt_u (local.tee $xi (i32.add (local.get $xi) (i32.const 16))) (local.get $from))))

        ;; add up the four lanes of each sum, so that lane j holds output j
        (local.set $s0 (f32x4.add
          (i8x16.shuffle 0 1 2 3 16 17 18 19 4 5 6 7 20 21 22 23 (local.get $s0) (local.get $s1))
          (i8x16.shuffle 8 9 10 11 24 25 26 27 12 13 14 15 28 29 30 31 (local.get $s0) (local.get $s1))))
        (local.set $s2 (f32x4.add
          (i8x16.shuffle 0 1 2 3 16 17 18 19 4 5 6 7 20 21 22 23 (local.get $s2) (local.get $s3))
          (i8x16.shuffle 8 9 10 11 24 25 26 27 12 13 14 15 28 29 30 31 (local.get $s2) (local.get $s3))))
        (v128.store (local.get $to) (f32x4.add (v128.load (local.get $b)) (f32x4.add
          (i8x16.shuffle 0 1 2 3 4 5 6 7 16 17 18 19 20 21 22 23 (local.get $s0) (local.get $s2))
          (i8x16.shuffle 8 9 10 11 12 13 14 15 24 25 26 27 28 29 30 31 (local.get $s0) (local.get $s2)))))
        (local.set $to (i32.add (local.get $to) (local.get $step)))
        (br_if $rows (i32.lt_u (local.get $from) (local.get $xEnd))))

      (local.set $w (i32.add (local.get $w) (i32.shl (local.get $row) (i32.const 2))))
      (local.set $b (i32.add (local.get $b) (i32.const 16)))
      (br_if $outputs (i32.lt_u (local.tee $y (i32.add (local.get $y) (i32.const 16))) (local.get $yEnd)))))

  ;; The same for w in 8 bits, with integers: each sum is multiplied by the scales of its row of w and its row of x.
  ;; A row of x begins with its scale, four times. Then come nIn numbers in 16 bits, and as many that add what rounding
  ;; to these has left, in steps of 1/16384 (so a sum of up to 8,192 products fits into 32 bits).
  ;; nIn is a multiple of 8, nOut of 4.
  (func (export "linear8")
    (param $x i32) (param $w i32) (param $b i32) (param $y i32) (param $T i32) (param $nIn i32) (param $nOut i32)
    (param $scale i32)
    (local $half i32)  ;; bytes per half of a row of x
    (local $step i32)  ;; bytes per row of y
    (local $yEnd i32) (local $last i32) (local $xi i32) (local $xEnd i32) (local $to i32) (local $from i32)
    (local $w0 i32) (local $w1 i32) (local $w2 i32) (local $w3 i32)
    (local $high v128) (local $low v128) (local $q v128)
    (local $s0 v128) (local $s1 v128) (local $s2 v128) (local $s3 v128)
    (local $r0 v128) (local $r1 v128) (local $r2 v128) (local $r3 v128)
    (local.set $half (i32.shl (local.get $nIn) (i32.const 1)))
    (local.set $step (i32.shl (local.get $nOut) (i32.const 2)))
    (local.set $yEnd (i32.add (local.get $y) (local.get $step)))
    (local.set $last (i32.add (local.get $y) (i32.mul (local.get $step) (local.get $T))))

    (loop $outputs  ;; four outputs at a time, one row of w each
      (local.set $to (local.get $y))
      (local.set $from (local.get $x))

      (loop $rows  ;; each row of x
        (local.set $xi (i32.add (local.get $from) (i32.const 16)))
        (local.set $xEnd (i32.add (local.get $xi) (local.get $half)))
        (local.set $w0 (local.get $w))
        (local.set $w1 (i32.add (local.get $w0) (local.get $nIn)))
        (local.set $w2 (i32.add (local.get $w1) (local.get $nIn)))
        (local.set $w3 (i32.add (local.get $w2) (local.get $nIn)))
        (local.set $s0 (v128.const i32x4 0 0 0 0))
        (local.set $r0 (v128.const i32x4 0 0 0 0))
        (local.set $s1 (v128.const i32x4 0 0 0 0))
        (local.set $r1 (v128.const i32x4 0 0 0 0))
        (local.set $s2 (v128.const i32x4 0 0 0 0))
        (local.set $r2 (v128.const i32x4 0 0 0 0))
        (local.set $s3 (v128.const i32x4 0 0 0 0))
        (local.set $r3 (v128.const i32x4 0 0 0 0))

        (loop $inputs  ;; eight inputs at a time
          (local.set $high (v128.load (local.get $xi)))
          (local.set $low (v128.load (i32.add (local.get $xi) (local.get $half))))
          (local.set $q (v128.load8x8_s (local.get $w0)))
          (local.set $s0 (i32x4.add (local.get $s0) (i32x4.dot_i16x8_s (local.get $high) (local.get $q))))
          (local.set $r0 (i32x4.add (local.get $r0) (i32x4.dot_i16x8_s (local.get $low) (local.get $q))))
          (local.set $w0 (i32.add (local.get $w0) (i32.const 8)))
          (local.set $q (v128.load8x8_s (local.get $w1)))
          (local.set $s1 (i32x4.add (local.get $s1) (i32x4.dot_i16x8_s (local.get $high) (local.get $q))))
          (local.set $r1 (i32x4.add (local.get $r1) (i32x4.dot_i16x8_s (local.get $low) (local.get $q))))
          (local.set $w1 (i32.add (local.get $w1) (i32.const 8)))
          (local.set $q (v128.load8x8_s (local.get $w2)))
          (local.set $s2 (i32x4.add (local.get $s2) (i32x4.dot_i16x8_s (local.get $high) (local.get $q))))
          (local.set $r2 (i32x4.add (local.get $r2) (i32x4.dot_i16x8_s (local.get $low) (local.get $q))))
          (local.set $w2 (i32.add (local.get $w2) (i32.const 8)))
          (local.set $q (v128.load8x8_s (local.get $w3)))
          (local.set $s3 (i32x4.add (local.get $s3) (i32x4.dot_i16x8_s (local.get $high) (local.get $q))))
          (local.set $r3 (i32x4.add (local.get $r3) (i32x4.dot_i16x8_s (local.get $low) (local.get $q))))
          (local.set $w3 (i32.add (local.get $w3) (i32.const 8)))
          (br_if $inputs (i32.lt_u (local.tee $xi (i32.add (local.get $xi) (i32.const 16))) (local.get $xEnd))))

        ;; high and low sums together
        (local.set $s0 (f32x4.add (f32x4.convert_i32x4_s (local.get $s0))
          (f32x4.mul (f32x4.convert_i32x4_s (local.get $r0)) (f32x4.splat (f32.const 0x1p-14)))))
        (local.set $s1 (f32x4.add (f32x4.convert_i32x4_s (local.get $s1))
          (f32x4.mul (f32x4.convert_i32x4_s (local.get $r1)) (f32x4.splat (f32.const 0x1p-14)))))
        (local.set $s2 (f32x4.add (f32x4.convert_i32x4_s (local.get $s2))
          (f32x4.mul (f32x4.convert_i32x4_s (local.get $r2)) (f32x4.splat (f32.const 0x1p-14)))))
        (local.set $s3 (f32x4.add (f32x4.convert_i32x4_s (local.get $s3))
          (f32x4.mul (f32x4.convert_i32x4_s (local.get $r3)) (f32x4.splat (f32.const 0x1p-14)))))
        ;; add up the four lanes of each sum, so that lane j holds output j
        (local.set $s0 (f32x4.add
          (i8x16.shuffle 0 1 2 3 16 17 18 19 4 5 6 7 20 21 22 23 (local.get $s0) (local.get $s1))
          (i8x16.shuffle 8 9 10 11 24 25 26 27 12 13 14 15 28 29 30 31 (local.get $s0) (local.get $s1))))
        (local.set $s2 (f32x4.add
          (i8x16.shuffle 0 1 2 3 16 17 18 19 4 5 6 7 20 21 22 23 (local.get $s2) (local.get $s3))
          (i8x16.shuffle 8 9 10 11 24 25 26 27 12 13 14 15 28 29 30 31 (local.get $s2) (local.get $s3))))
        (v128.store (local.get $to) (f32x4.add (v128.load (local.get $b)) (f32x4.mul
          (f32x4.mul (v128.load (local.get $from)) (v128.load (local.get $scale)))
          (f32x4.add
            (i8x16.shuffle 0 1 2 3 4 5 6 7 16 17 18 19 20 21 22 23 (local.get $s0) (local.get $s2))
            (i8x16.shuffle 8 9 10 11 12 13 14 15 24 25 26 27 28 29 30 31 (local.get $s0) (local.get $s2))))))
        (local.set $from (i32.add (local.get $xEnd) (local.get $half)))
        (br_if $rows (i32.lt_u (local.tee $to (i32.add (local.get $to) (local.get $step))) (local.get $last))))

      (local.set $last (i32.add (local.get $last) (i32.const 16)))
      (local.set $w (i32.add (local.get $w) (i32.shl (local.get $nIn) (i32.const 2))))
      (local.set $b (i32.add (local.get $b) (i32.const 16)))
      (local.set $scale (i32.add (local.get $scale) (i32.const 16)))
      (br_if $outputs (i32.lt_u (local.tee $y (i32.add (local.get $y) (i32.const 16))) (local.get $yEnd))))))
