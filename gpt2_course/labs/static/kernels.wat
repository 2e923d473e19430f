;; The source of kernels.wasm: the loops in which training spends its time, on vectors of four numbers (f32x4).
;; kernels.mjs has the same functions in plain JavaScript. To rebuild kernels.wasm, run `make wasm`.
;; Addresses and strides count bytes; a float32 takes 4.
(module
  (memory (import "js" "memory") 1)

  ;; ---- c (M, N) = a (M, K) times b (K, N) ------------------------------------------------------------------------
  ;; Both factors are first copied into panels, in the order in which the innermost loop reads them: four rows of a,
  ;; eight columns of b. Their strides matter only to this copy, so transposed factors cost nothing extra.

  ;; Copy four lines of K numbers so that the four that belong together are neighbors, `$step` after the last four. A
  ;; line is a row of a or a column of b. `$lines` may be below four; then the last one is repeated.
  (func $pack4
    (param $from i32) (param $to i32) (param $lines i32) (param $K i32)
    (param $down i32) (param $right i32) (param $step i32)  ;; from line to line, within a line, from four to four
    (local $last i32) (local $p1 i32) (local $p2 i32) (local $p3 i32)
    (local $v0 v128) (local $v1 v128) (local $v2 v128) (local $v3 v128)
    (local $w0 v128) (local $w1 v128) (local $w2 v128) (local $w3 v128)
    (local.set $last (i32.add (local.get $from)
      (i32.mul (local.get $down) (i32.sub (local.get $lines) (i32.const 1)))))
    (local.set $p1 (select (local.get $last) (i32.add (local.get $from) (local.get $down))
      (i32.lt_s (local.get $lines) (i32.const 2))))
    (local.set $p2 (select (local.get $last) (i32.add (local.get $p1) (local.get $down))
      (i32.lt_s (local.get $lines) (i32.const 3))))
    (local.set $p3 (select (local.get $last) (i32.add (local.get $p2) (local.get $down))
      (i32.lt_s (local.get $lines) (i32.const 4))))

    (if (i32.and (i32.eq (local.get $down) (i32.const 4)) (i32.ge_s (local.get $lines) (i32.const 4)))
      (then  ;; already neighbors
        (loop $copy
          (v128.store (local.get $to) (v128.load (local.get $from)))
          (local.set $from (i32.add (local.get $from) (local.get $right)))
          (local.set $to (i32.add (local.get $to) (local.get $step)))
          (br_if $copy (local.tee $K (i32.sub (local.get $K) (i32.const 1)))))
        (return)))

    (if (i32.eq (local.get $right) (i32.const 4))
      (then  ;; transpose blocks of 4 × 4
        (block $done
          (loop $blocks
            (br_if $done (i32.lt_s (local.get $K) (i32.const 4)))
            (local.set $v0 (v128.load (local.get $from)))
            (local.set $v1 (v128.load (local.get $p1)))
            (local.set $v2 (v128.load (local.get $p2)))
            (local.set $v3 (v128.load (local.get $p3)))
            (local.set $w0 (i8x16.shuffle 0 1 2 3 16 17 18 19 4 5 6 7 20 21 22 23 (local.get $v0) (local.get $v1)))
            (local.set $w1 (i8x16.shuffle 8 9 10 11 24 25 26 27 12 13 14 15 28 29 30 31
              (local.get $v0) (local.get $v1)))
            (local.set $w2 (i8x16.shuffle 0 1 2 3 16 17 18 19 4 5 6 7 20 21 22 23 (local.get $v2) (local.get $v3)))
            (local.set $w3 (i8x16.shuffle 8 9 10 11 24 25 26 27 12 13 14 15 28 29 30 31
              (local.get $v2) (local.get $v3)))
            (v128.store (local.get $to)
              (i8x16.shuffle 0 1 2 3 4 5 6 7 16 17 18 19 20 21 22 23 (local.get $w0) (local.get $w2)))
            (v128.store (local.tee $to (i32.add (local.get $to) (local.get $step)))
              (i8x16.shuffle 8 9 10 11 12 13 14 15 24 25 26 27 28 29 30 31 (local.get $w0) (local.get $w2)))
            (v128.store (local.tee $to (i32.add (local.get $to) (local.get $step)))
              (i8x16.shuffle 0 1 2 3 4 5 6 7 16 17 18 19 20 21 22 23 (local.get $w1) (local.get $w3)))
            (v128.store (local.tee $to (i32.add (local.get $to) (local.get $step)))
              (i8x16.shuffle 8 9 10 11 12 13 14 15 24 25 26 27 28 29 30 31 (local.get $w1) (local.get $w3)))
            (local.set $to (i32.add (local.get $to) (local.get $step)))
            (local.set $from (i32.add (local.get $from) (i32.const 16)))
            (local.set $p1 (i32.add (local.get $p1) (i32.const 16)))
            (local.set $p2 (i32.add (local.get $p2) (i32.const 16)))
            (local.set $p3 (i32.add (local.get $p3) (i32.const 16)))
            (local.set $K (i32.sub (local.get $K) (i32.const 4)))
            (br $blocks)))))

    (block $end
      (loop $one  ;; number by number
        (br_if $end (i32.eqz (local.get $K)))
        (f32.store (local.get $to) (f32.load (local.get $from)))
        (f32.store offset=4 (local.get $to) (f32.load (local.get $p1)))
        (f32.store offset=8 (local.get $to) (f32.load (local.get $p2)))
        (f32.store offset=12 (local.get $to) (f32.load (local.get $p3)))
        (local.set $to (i32.add (local.get $to) (local.get $step)))
        (local.set $from (i32.add (local.get $from) (local.get $right)))
        (local.set $p1 (i32.add (local.get $p1) (local.get $right)))
        (local.set $p2 (i32.add (local.get $p2) (local.get $right)))
        (local.set $p3 (i32.add (local.get $p3) (local.get $right)))
        (local.set $K (i32.sub (local.get $K) (i32.const 1)))
        (br $one))))

  ;; Copy all lines into panels of four (`$pair` = 0) or eight (`$pair` = 16).
  (func $pack
    (param $from i32) (param $to i32) (param $lines i32) (param $K i32)
    (param $down i32) (param $right i32) (param $pair i32)
    (local $step i32) (local $size i32)
    (local.set $step (i32.add (i32.const 16) (local.get $pair)))
    (local.set $size (i32.mul (local.get $step) (local.get $K)))
    (loop $panels
      (call $pack4 (local.get $from) (local.get $to) (local.get $lines) (local.get $K)
        (local.get $down) (local.get $right) (local.get $step))
      (if (i32.and (i32.ne (local.get $pair) (i32.const 0)) (i32.gt_s (local.get $lines) (i32.const 4)))
        (then
          (local.set $from (i32.add (local.get $from) (i32.shl (local.get $down) (i32.const 2))))
          (local.set $lines (i32.sub (local.get $lines) (i32.const 4)))
          (call $pack4 (local.get $from) (i32.add (local.get $to) (i32.const 16)) (local.get $lines) (local.get $K)
            (local.get $down) (local.get $right) (local.get $step))))
      (local.set $from (i32.add (local.get $from) (i32.shl (local.get $down) (i32.const 2))))
      (local.set $to (i32.add (local.get $to) (local.get $size)))
      (br_if $panels (i32.gt_s (local.tee $lines (i32.sub (local.get $lines) (i32.const 4))) (i32.const 0)))))

  ;; A tile of c, four rows of eight: the product of a panel of a (K, 4) and a panel of b (K, 8). The 32 sums stay in
  ;; registers, and each number that is read takes part in four or eight of them.
  (func $tile
    (param $a i32) (param $b i32) (param $K i32) (param $c i32) (param $down i32) (param $accumulate i32)
    (local $c1 i32) (local $c2 i32) (local $c3 i32) (local $x v128) (local $b0 v128) (local $b1 v128)
    (local $s00 v128) (local $s01 v128) (local $s10 v128) (local $s11 v128)
    (local $s20 v128) (local $s21 v128) (local $s30 v128) (local $s31 v128)
    (local.set $c1 (i32.add (local.get $c) (local.get $down)))
    (local.set $c2 (i32.add (local.get $c1) (local.get $down)))
    (local.set $c3 (i32.add (local.get $c2) (local.get $down)))
    (if (local.get $accumulate)
      (then
        (local.set $s00 (v128.load (local.get $c)))
        (local.set $s01 (v128.load offset=16 (local.get $c)))
        (local.set $s10 (v128.load (local.get $c1)))
        (local.set $s11 (v128.load offset=16 (local.get $c1)))
        (local.set $s20 (v128.load (local.get $c2)))
        (local.set $s21 (v128.load offset=16 (local.get $c2)))
        (local.set $s30 (v128.load (local.get $c3)))
        (local.set $s31 (v128.load offset=16 (local.get $c3)))))
    (loop $inner
      (local.set $b0 (v128.load (local.get $b)))
      (local.set $b1 (v128.load offset=16 (local.get $b)))
      (local.set $x (v128.load32_splat (local.get $a)))
      (local.set $s00 (f32x4.add (local.get $s00) (f32x4.mul (local.get $x) (local.get $b0))))
      (local.set $s01 (f32x4.add (local.get $s01) (f32x4.mul (local.get $x) (local.get $b1))))
      (local.set $x (v128.load32_splat offset=4 (local.get $a)))
      (local.set $s10 (f32x4.add (local.get $s10) (f32x4.mul (local.get $x) (local.get $b0))))
      (local.set $s11 (f32x4.add (local.get $s11) (f32x4.mul (local.get $x) (local.get $b1))))
      (local.set $x (v128.load32_splat offset=8 (local.get $a)))
      (local.set $s20 (f32x4.add (local.get $s20) (f32x4.mul (local.get $x) (local.get $b0))))
      (local.set $s21 (f32x4.add (local.get $s21) (f32x4.mul (local.get $x) (local.get $b1))))
      (local.set $x (v128.load32_splat offset=12 (local.get $a)))
      (local.set $s30 (f32x4.add (local.get $s30) (f32x4.mul (local.get $x) (local.get $b0))))
      (local.set $s31 (f32x4.add (local.get $s31) (f32x4.mul (local.get $x) (local.get $b1))))
      (local.set $a (i32.add (local.get $a) (i32.const 16)))
      (local.set $b (i32.add (local.get $b) (i32.const 32)))
      (br_if $inner (local.tee $K (i32.sub (local.get $K) (i32.const 1)))))
    (v128.store (local.get $c) (local.get $s00))
    (v128.store offset=16 (local.get $c) (local.get $s01))
    (v128.store (local.get $c1) (local.get $s10))
    (v128.store offset=16 (local.get $c1) (local.get $s11))
    (v128.store (local.get $c2) (local.get $s20))
    (v128.store offset=16 (local.get $c2) (local.get $s21))
    (v128.store (local.get $c3) (local.get $s30))
    (v128.store offset=16 (local.get $c3) (local.get $s31)))

  ;; A tile, or at the edge of c the part of it that exists: fewer than four rows or eight columns.
  (func $any
    (param $a i32) (param $b i32) (param $K i32) (param $c i32) (param $down i32) (param $accumulate i32)
    (param $rows i32) (param $columns i32) (param $aside i32)
    (local $row i32) (local $column i32) (local $to i32) (local $sum f32)
    (if (i32.eq (i32.add (local.get $rows) (local.get $columns)) (i32.const 12))
      (then
        (call $tile (local.get $a) (local.get $b) (local.get $K) (local.get $c) (local.get $down)
          (local.get $accumulate))
        (return)))
    (call $tile (local.get $a) (local.get $b) (local.get $K) (local.get $aside) (i32.const 32) (i32.const 0))
    (loop $rows
      (local.set $column (i32.const 0))
      (loop $columns
        (local.set $to (i32.add (local.get $c) (i32.shl (local.get $column) (i32.const 2))))
        (local.set $sum (f32.load (i32.add (local.get $aside)
          (i32.shl (i32.add (i32.shl (local.get $row) (i32.const 3)) (local.get $column)) (i32.const 2)))))
        (if (local.get $accumulate)
          (then (local.set $sum (f32.add (local.get $sum) (f32.load (local.get $to))))))
        (f32.store (local.get $to) (local.get $sum))
        (br_if $columns (i32.lt_s (local.tee $column (i32.add (local.get $column) (i32.const 1)))
          (local.get $columns))))
      (local.set $c (i32.add (local.get $c) (local.get $down)))
      (br_if $rows (i32.lt_s (local.tee $row (i32.add (local.get $row) (i32.const 1))) (local.get $rows)))))

  (func $max (param $a i32) (param $b i32) (result i32)
    (select (local.get $a) (local.get $b) (i32.gt_s (local.get $a) (local.get $b))))
  (func $min (param $a i32) (param $b i32) (result i32)
    (select (local.get $a) (local.get $b) (i32.lt_s (local.get $a) (local.get $b))))

  ;; c = a b, or c += a b. In attention, a token sees no later ones, so half of the work can be left out: `$half` is 1
  ;; if only the numbers of c up to the diagonal matter, 2 if those of a after it are 0, 3 if those before it are 0.
  ;; `$scratch` has room for one tile, 256 rows of a, and all columns of b, each 256 long: so a panel of
  ;; b stays in the fastest cache, and the rows of a in the next one.
  (func (export "multiply")
    (param $c i32) (param $cDown i32) (param $a i32) (param $aDown i32) (param $aRight i32)
    (param $b i32) (param $bDown i32) (param $bRight i32) (param $M i32) (param $N i32) (param $K i32)
    (param $accumulate i32) (param $half i32) (param $scratch i32)
    (local $first i32) (local $few i32) (local $as i32) (local $bs i32) (local $k i32) (local $length i32) (local $m i32) (local $block i32) (local $n i32)
    (local $r i32) (local $row i32) (local $rows i32) (local $columns i32) (local $panelA i32) (local $panelB i32) (local $to i32)
    (local.set $as (i32.add (local.get $scratch) (i32.const 128)))
    (local.set $bs (i32.add (local.get $as) (i32.const 262144)))
    (loop $depths
      (local.set $length (call $min (i32.const 256) (i32.sub (local.get $K) (local.get $k))))
      (call $pack (i32.add (local.get $b) (i32.mul (local.get $k) (local.get $bDown))) (local.get $bs)
        (local.get $N) (local.get $length) (local.get $bRight) (local.get $bDown) (i32.const 16))
      (local.set $m (i32.const 0))
      (loop $blocks
        (local.set $block (call $min (i32.const 256) (i32.sub (local.get $M) (local.get $m))))
        (call $pack
          (i32.add (local.get $a)
            (i32.add (i32.mul (local.get $m) (local.get $aDown)) (i32.mul (local.get $k) (local.get $aRight))))
          (local.get $as) (local.get $block) (local.get $length) (local.get $aDown) (local.get $aRight) (i32.const 0))
        (local.set $n (i32.const 0))
        (local.set $panelB (local.get $bs))
        (loop $panels
          (local.set $columns (call $min (i32.const 8) (i32.sub (local.get $N) (local.get $n))))
          (local.set $to (i32.add (i32.add (local.get $c) (i32.mul (local.get $m) (local.get $cDown)))
            (i32.shl (local.get $n) (i32.const 2))))
          (local.set $panelA (local.get $as))
          (local.set $r (i32.const 0))
          (loop $tiles
            (local.set $rows (call $min (i32.const 4) (i32.sub (local.get $block) (local.get $r))))
            (local.set $row (i32.add (local.get $m) (local.get $r)))
            (local.set $first (i32.const 0))
            (local.set $few (local.get $length))
            (if (i32.eq (local.get $half) (i32.const 2))  ;; at least one number, which may be a 0
              (then (local.set $few (call $max (i32.const 1) (call $min (local.get $length)
                (i32.sub (i32.add (local.get $row) (i32.const 4)) (local.get $k)))))))
            (if (i32.eq (local.get $half) (i32.const 3))
              (then
                (local.set $first (call $max (i32.const 0) (call $min (i32.sub (local.get $length) (i32.const 1))
                  (i32.sub (local.get $row) (local.get $k)))))
                (local.set $few (i32.sub (local.get $length) (local.get $first)))))
            (if (i32.eqz (i32.and (i32.eq (local.get $half) (i32.const 1))
                (i32.gt_s (local.get $n) (i32.add (local.get $row) (i32.const 3)))))
              (then (call $any
                (i32.add (local.get $panelA) (i32.shl (local.get $first) (i32.const 4)))
                (i32.add (local.get $panelB) (i32.shl (local.get $first) (i32.const 5)))
                (local.get $few) (local.get $to) (local.get $cDown) (local.get $accumulate) (local.get $rows)
                (local.get $columns) (local.get $scratch))))
            (local.set $panelA (i32.add (local.get $panelA) (i32.shl (local.get $length) (i32.const 4))))
            (local.set $to (i32.add (local.get $to) (i32.shl (local.get $cDown) (i32.const 2))))
            (br_if $tiles (i32.lt_s (local.tee $r (i32.add (local.get $r) (i32.const 4))) (local.get $block))))
          (local.set $panelB (i32.add (local.get $panelB) (i32.shl (local.get $length) (i32.const 5))))
          (br_if $panels (i32.lt_s (local.tee $n (i32.add (local.get $n) (i32.const 8))) (local.get $N))))
        (br_if $blocks (i32.lt_s (local.tee $m (i32.add (local.get $m) (i32.const 256))) (local.get $M))))
      (local.set $accumulate (i32.const 1))
      (br_if $depths (i32.lt_s (local.tee $k (i32.add (local.get $k) (i32.const 256))) (local.get $K)))))

  ;; ---- exponentials ----------------------------------------------------------------------------------------------

  ;; eˣ, four at once, to float32 accuracy: eˣ = 2ⁿ eʳ with |r| ≤ ln(2) / 2, where six terms of the Taylor series after
  ;; the 1 suffice. 0 below −87; at most e⁸⁸.
  (func $exp (param $x v128) (result v128)
    (local $n v128) (local $r v128)
    (local.set $x (f32x4.min (local.get $x) (v128.const f32x4 88 88 88 88)))
    (local.set $n (f32x4.nearest (f32x4.mul (local.get $x)
      (v128.const f32x4 1.44269504 1.44269504 1.44269504 1.44269504))))  ;; 1 / ln(2)
    (local.set $r (f32x4.sub (local.get $x) (f32x4.mul (local.get $n)
      (v128.const f32x4 0.693359375 0.693359375 0.693359375 0.693359375))))  ;; ln(2), in two parts: exact in 10 bits,
    (local.set $r (f32x4.add (local.get $r) (f32x4.mul (local.get $n)
      (v128.const f32x4 2.12194440e-4 2.12194440e-4 2.12194440e-4 2.12194440e-4))))  ;; minus this
    (v128.and
      (f32x4.ge (local.get $x) (v128.const f32x4 -87 -87 -87 -87))
      (f32x4.mul
        (i32x4.shl (i32x4.add (i32x4.trunc_sat_f32x4_s (local.get $n)) (v128.const i32x4 127 127 127 127))
          (i32.const 23))  ;; 2ⁿ: n is the exponent of a float32
        (f32x4.add (v128.const f32x4 1 1 1 1) (f32x4.mul (local.get $r)
        (f32x4.add (v128.const f32x4 1 1 1 1) (f32x4.mul (local.get $r)
        (f32x4.add (v128.const f32x4 0.5 0.5 0.5 0.5) (f32x4.mul (local.get $r)
        (f32x4.add (v128.const f32x4 0.16666667 0.16666667 0.16666667 0.16666667) (f32x4.mul (local.get $r)
        (f32x4.add (v128.const f32x4 0.041666667 0.041666667 0.041666667 0.041666667) (f32x4.mul (local.get $r)
        (f32x4.add (v128.const f32x4 0.0083333333 0.0083333333 0.0083333333 0.0083333333) (f32x4.mul (local.get $r)
          (v128.const f32x4 0.0013888889 0.0013888889 0.0013888889 0.0013888889))))))))))))))))

  ;; σ(z) of GELU, for z = 2 √(2/π) (x + 0.044715 x³): because 1 + tanh(z/2) = 2 σ(z), GELU(x) is x σ(z).
  (func $gate (param $x v128) (result v128)
    (f32x4.div (v128.const f32x4 1 1 1 1) (f32x4.add (v128.const f32x4 1 1 1 1) (call $exp
      (f32x4.mul (local.get $x) (f32x4.sub
        (v128.const f32x4 -1.59576912 -1.59576912 -1.59576912 -1.59576912)
        (f32x4.mul (v128.const f32x4 0.0713548163 0.0713548163 0.0713548163 0.0713548163)
          (f32x4.mul (local.get $x) (local.get $x)))))))))

  ;; y (n) = GELU(x); n is a multiple of 4.
  (func (export "gelu") (param $y i32) (param $x i32) (param $n i32)
    (local $end i32) (local $v v128)
    (local.set $end (i32.add (local.get $x) (i32.shl (local.get $n) (i32.const 2))))
    (loop $fours
      (local.set $v (v128.load (local.get $x)))
      (v128.store (local.get $y) (f32x4.mul (local.get $v) (call $gate (local.get $v))))
      (local.set $y (i32.add (local.get $y) (i32.const 16)))
      (br_if $fours (i32.lt_u (local.tee $x (i32.add (local.get $x) (i32.const 16))) (local.get $end)))))

  ;; d (n) *= GELU′(x) = σ + x σ (1 − σ) z′
  (func (export "geluBackward") (param $d i32) (param $x i32) (param $n i32)
    (local $end i32) (local $v v128) (local $gate v128)
    (local.set $end (i32.add (local.get $x) (i32.shl (local.get $n) (i32.const 2))))
    (loop $fours
      (local.set $v (v128.load (local.get $x)))
      (local.set $gate (call $gate (local.get $v)))
      (v128.store (local.get $d) (f32x4.mul (v128.load (local.get $d)) (f32x4.mul (local.get $gate) (f32x4.add
        (v128.const f32x4 1 1 1 1)
        (f32x4.mul
          (f32x4.mul (local.get $v) (f32x4.sub (v128.const f32x4 1 1 1 1) (local.get $gate)))
          (f32x4.add
            (v128.const f32x4 1.59576912 1.59576912 1.59576912 1.59576912)
            (f32x4.mul (v128.const f32x4 0.214064449 0.214064449 0.214064449 0.214064449)
              (f32x4.mul (local.get $v) (local.get $v)))))))))
      (local.set $d (i32.add (local.get $d) (i32.const 16)))
      (br_if $fours (i32.lt_u (local.tee $x (i32.add (local.get $x) (i32.const 16))) (local.get $end)))))

  ;; The sum and the largest of four numbers.
  (func $sum (param $v v128) (result f32)
    (f32.add
      (f32.add (f32x4.extract_lane 0 (local.get $v)) (f32x4.extract_lane 1 (local.get $v)))
      (f32.add (f32x4.extract_lane 2 (local.get $v)) (f32x4.extract_lane 3 (local.get $v)))))
  (func $largest (param $v v128) (result f32)
    (f32.max
      (f32.max (f32x4.extract_lane 0 (local.get $v)) (f32x4.extract_lane 1 (local.get $v)))
      (f32.max (f32x4.extract_lane 2 (local.get $v)) (f32x4.extract_lane 3 (local.get $v)))))

  ;; to (C) += the sum of the rows of x (rows, C). C is a multiple of 4, here and below.
  (func (export "addRows") (param $to i32) (param $x i32) (param $rows i32) (param $C i32)
    (local $i i32) (local $end i32)
    (local.set $end (i32.add (local.get $to) (i32.shl (local.get $C) (i32.const 2))))
    (loop $each
      (local.set $i (local.get $to))
      (loop $fours
        (v128.store (local.get $i) (f32x4.add (v128.load (local.get $i)) (v128.load (local.get $x))))
        (local.set $x (i32.add (local.get $x) (i32.const 16)))
        (br_if $fours (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 16))) (local.get $end))))
      (br_if $each (local.tee $rows (i32.sub (local.get $rows) (i32.const 1))))))

  ;; The mean of a row of x (C), and the factor that scales its variance to 1.
  (func $moments (param $x i32) (param $C i32) (param $epsilon f32) (result v128 v128)
    (local $i i32) (local $end i32) (local $sum v128) (local $mean v128) (local $v v128)
    (local.set $end (i32.add (local.get $x) (i32.shl (local.get $C) (i32.const 2))))
    (local.set $i (local.get $x))
    (loop $fours
      (local.set $sum (f32x4.add (local.get $sum) (v128.load (local.get $i))))
      (br_if $fours (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 16))) (local.get $end))))
    (local.set $mean (f32x4.splat (f32.div (call $sum (local.get $sum)) (f32.convert_i32_s (local.get $C)))))
    (local.set $sum (v128.const f32x4 0 0 0 0))
    (local.set $i (local.get $x))
    (loop $fours
      (local.set $v (f32x4.sub (v128.load (local.get $i)) (local.get $mean)))
      (local.set $sum (f32x4.add (local.get $sum) (f32x4.mul (local.get $v) (local.get $v))))
      (br_if $fours (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 16))) (local.get $end))))
    (local.get $mean)
    (f32x4.splat (f32.div (f32.const 1) (f32.sqrt (f32.add (local.get $epsilon)
      (f32.div (call $sum (local.get $sum)) (f32.convert_i32_s (local.get $C))))))))

  ;; y (rows, C) = n · weight + bias, where n is a row of x at mean 0 and variance 1.
  (func (export "layerNorm")
    (param $weight i32) (param $bias i32) (param $x i32) (param $y i32) (param $rows i32) (param $C i32)
    (param $epsilon f32)
    (local $i i32) (local $end i32) (local $mean v128) (local $scale v128)
    (local.set $end (i32.shl (local.get $C) (i32.const 2)))
    (loop $each
      (call $moments (local.get $x) (local.get $C) (local.get $epsilon))
      (local.set $scale)
      (local.set $mean)
      (local.set $i (i32.const 0))
      (loop $fours
        (v128.store (local.get $y) (f32x4.add
          (v128.load (i32.add (local.get $bias) (local.get $i)))
          (f32x4.mul
            (v128.load (i32.add (local.get $weight) (local.get $i)))
            (f32x4.mul (local.get $scale) (f32x4.sub (v128.load (local.get $x)) (local.get $mean))))))
        (local.set $x (i32.add (local.get $x) (i32.const 16)))
        (local.set $y (i32.add (local.get $y) (i32.const 16)))
        (br_if $fours (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 16))) (local.get $end))))
      (br_if $each (local.tee $rows (i32.sub (local.get $rows) (i32.const 1))))))

  ;; dx (rows, C) += scale · (dn − mean(dn) − n · mean(dn · n)), where dn = dy · weight. Adds up the gradients for weight
  ;; and bias.
  (func (export "layerNormBackward")
    (param $weight i32) (param $dWeight i32) (param $dBias i32) (param $x i32) (param $dx i32) (param $dy i32)
    (param $rows i32) (param $C i32) (param $epsilon f32)
    (local $i i32) (local $end i32) (local $mean v128) (local $scale v128) (local $at i32)
    (local $n v128) (local $d v128) (local $sum v128) (local $along v128)
    (local.set $end (i32.shl (local.get $C) (i32.const 2)))
    (loop $each
      (call $moments (local.get $x) (local.get $C) (local.get $epsilon))
      (local.set $scale)
      (local.set $mean)
      (local.set $sum (v128.const f32x4 0 0 0 0))
      (local.set $along (v128.const f32x4 0 0 0 0))
      (local.set $i (i32.const 0))
      (loop $fours
        (local.set $n (f32x4.mul (local.get $scale)
          (f32x4.sub (v128.load (i32.add (local.get $x) (local.get $i))) (local.get $mean))))
        (local.set $d (v128.load (i32.add (local.get $dy) (local.get $i))))
        (local.set $at (i32.add (local.get $dWeight) (local.get $i)))
        (v128.store (local.get $at) (f32x4.add (v128.load (local.get $at))
          (f32x4.mul (local.get $d) (local.get $n))))
        (local.set $at (i32.add (local.get $dBias) (local.get $i)))
        (v128.store (local.get $at) (f32x4.add (v128.load (local.get $at)) (local.get $d)))
        (local.set $d (f32x4.mul (local.get $d) (v128.load (i32.add (local.get $weight) (local.get $i)))))
        (local.set $sum (f32x4.add (local.get $sum) (local.get $d)))
        (local.set $along (f32x4.add (local.get $along) (f32x4.mul (local.get $d) (local.get $n))))
        (br_if $fours (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 16))) (local.get $end))))
      (local.set $sum (f32x4.splat (f32.div (call $sum (local.get $sum)) (f32.convert_i32_s (local.get $C)))))
      (local.set $along (f32x4.splat (f32.div (call $sum (local.get $along)) (f32.convert_i32_s (local.get $C)))))
      (local.set $i (i32.const 0))
      (loop $fours
        (local.set $n (f32x4.mul (local.get $scale)
          (f32x4.sub (v128.load (local.get $x)) (local.get $mean))))
        (local.set $d (f32x4.mul (v128.load (local.get $dy))
          (v128.load (i32.add (local.get $weight) (local.get $i)))))
        (v128.store (local.get $dx) (f32x4.add (v128.load (local.get $dx)) (f32x4.mul (local.get $scale)
          (f32x4.sub (f32x4.sub (local.get $d) (local.get $sum)) (f32x4.mul (local.get $n) (local.get $along))))))
        (local.set $x (i32.add (local.get $x) (i32.const 16)))
        (local.set $dx (i32.add (local.get $dx) (i32.const 16)))
        (local.set $dy (i32.add (local.get $dy) (i32.const 16)))
        (br_if $fours (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 16))) (local.get $end))))
      (br_if $each (local.tee $rows (i32.sub (local.get $rows) (i32.const 1))))))

  ;; Each row of x (rows, columns) becomes gain · softmax(scale · row). With `$causal`, row t has only t + 1 columns.
  ;; Rows are `$down` apart, a multiple of 16, and zero after their last column. Each row leaves the largest of
  ;; scale · row and the sum of the exponentials, relative to it, in `$about` (rows, 2).
  (func (export "softmax")
    (param $x i32) (param $rows i32) (param $columns i32) (param $down i32) (param $causal i32)
    (param $scale f32) (param $gain f32) (param $about i32)
    (local $i i32) (local $end i32) (local $next i32) (local $v v128) (local $top v128) (local $sum v128)
    (local $scales v128) (local $total f32)
    (local.set $scales (f32x4.splat (local.get $scale)))
    (if (local.get $causal) (then (local.set $columns (i32.const 1))))
    (loop $each
      (local.set $next (i32.add (local.get $x) (local.get $down)))
      (local.set $end (i32.add (local.get $x) (i32.shl (local.get $columns) (i32.const 2))))
      (block $filled  ;; up to a whole vector, with numbers whose exponential is 0
        (loop $fill
          (br_if $filled (i32.eqz (i32.and (i32.sub (local.get $end) (local.get $x)) (i32.const 15))))
          (f32.store (local.get $end) (f32.const -3e38))
          (local.set $end (i32.add (local.get $end) (i32.const 4)))
          (br $fill)))

      (local.set $top (v128.const f32x4 -3e38 -3e38 -3e38 -3e38))
      (local.set $i (local.get $x))
      (loop $search
        (local.set $top (f32x4.pmax (local.get $top) (v128.load (local.get $i))))
        (br_if $search (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 16))) (local.get $end))))
      (local.set $top (f32x4.splat (call $largest (local.get $top))))

      (local.set $sum (v128.const f32x4 0 0 0 0))
      (local.set $i (local.get $x))
      (loop $powers
        (local.set $v (call $exp
          (f32x4.mul (f32x4.sub (v128.load (local.get $i)) (local.get $top)) (local.get $scales))))
        (local.set $sum (f32x4.add (local.get $sum) (local.get $v)))
        (v128.store (local.get $i) (local.get $v))
        (br_if $powers (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 16))) (local.get $end))))
      (local.set $total (call $sum (local.get $sum)))

      (f32.store (local.get $about) (f32.mul (f32x4.extract_lane 0 (local.get $top)) (local.get $scale)))
      (f32.store offset=4 (local.get $about) (local.get $total))
      (local.set $about (i32.add (local.get $about) (i32.const 8)))

      (local.set $v (f32x4.splat (f32.div (local.get $gain) (local.get $total))))
      (local.set $i (local.get $x))
      (loop $divide
        (v128.store (local.get $i) (f32x4.mul (v128.load (local.get $i)) (local.get $v)))
        (br_if $divide (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 16))) (local.get $end))))
      (block $cleared
        (loop $clear
          (br_if $cleared (i32.ge_u (local.get $i) (local.get $next)))
          (v128.store (local.get $i) (v128.const f32x4 0 0 0 0))
          (local.set $i (i32.add (local.get $i) (i32.const 16)))
          (br $clear)))

      (local.set $x (local.get $next))
      (local.set $columns (i32.add (local.get $columns) (local.get $causal)))
      (br_if $each (local.tee $rows (i32.sub (local.get $rows) (i32.const 1))))))

  ;; Backward through softmax(scale · x) = p: d, the gradient for p, becomes the gradient for x. Rows as above.
  (func (export "softmaxBackward") (param $d i32) (param $p i32) (param $rows i32) (param $down i32) (param $scale f32)
    (local $i i32) (local $j i32) (local $next i32) (local $sum v128)
    (loop $each
      (local.set $next (i32.add (local.get $p) (local.get $down)))
      (local.set $sum (v128.const f32x4 0 0 0 0))
      (local.set $i (local.get $p))
      (local.set $j (local.get $d))
      (loop $mean
        (local.set $sum (f32x4.add (local.get $sum)
          (f32x4.mul (v128.load (local.get $i)) (v128.load (local.get $j)))))
        (local.set $j (i32.add (local.get $j) (i32.const 16)))
        (br_if $mean (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 16))) (local.get $next))))
      (local.set $sum (f32x4.splat (call $sum (local.get $sum))))
      (loop $subtract
        (v128.store (local.get $d) (f32x4.mul
          (f32x4.mul (v128.load (local.get $p)) (f32x4.splat (local.get $scale)))
          (f32x4.sub (v128.load (local.get $d)) (local.get $sum))))
        (local.set $d (i32.add (local.get $d) (i32.const 16)))
        (br_if $subtract (i32.lt_u (local.tee $p (i32.add (local.get $p) (i32.const 16))) (local.get $next))))
      (br_if $each (local.tee $rows (i32.sub (local.get $rows) (i32.const 1)))))))
