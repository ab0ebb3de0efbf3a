//! Published examples of each coefficient, and what holds of all of them.

mod interval {
    //! Krippendorff's alpha and ICC.

    use proptest::prelude::*;

    use super::super::*;

    fn sums(units: &[Vec<f64>]) -> Sums {
        Ratings::of(units).unwrap().sums(&vec![1; units.len()])
    }

    /// Krippendorff 2011, example C: four observers, twelve units, 0 for missing.
    fn observers() -> Vec<Vec<f64>> {
        let units = [
            [1, 1, 0, 1],
            [2, 2, 3, 2],
            [3, 3, 3, 3],
            [3, 3, 3, 3],
            [2, 2, 2, 2],
            [1, 2, 3, 4],
            [4, 4, 4, 4],
            [1, 1, 2, 1],
            [2, 2, 2, 2],
            [0, 5, 5, 5],
            [0, 0, 1, 1],
            [0, 3, 0, 0],
        ];
        let rated = |unit: [u8; 4]| unit.into_iter().filter(|r| *r > 0).map(f64::from).collect();
        units.map(rated).to_vec()
    }

    /// Shrout and Fleiss 1979, table 2: six targets, four judges.
    fn judges() -> Vec<Vec<f64>> {
        let targets =
            [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]];
        targets.map(|target| target.map(f64::from).to_vec()).to_vec()
    }

    fn check(units: &[Vec<f64>], alpha: f64, icc: f64) {
        let sums = sums(units);
        let found = (sums.alpha().unwrap(), sums.icc().unwrap());
        assert!((found.0 - alpha).abs() < 1e-12 && (found.1 - icc).abs() < 1e-12, "{found:?}");
    }

    #[test]
    fn published_examples() {
        // Printed: alpha 0.849 (Krippendorff 2011), ICC(1,1) 0.17 (Shrout and Fleiss 1979, table 4).
        // Digits: scripts/statistics-reference.py; krippendorff 0.9.0, pingouin 0.6.1, and for the
        // ICC of unequal units an analysis of variance by statsmodels 0.15.0.
        check(&observers(), 0.849_107_142_857_142_8, 0.849_680_315_603_319_1);
        check(&judges(), 0.147_307_850_390_464_46, 0.165_741_768_405_475_5);
    }

    #[test]
    fn what_does_not_vary_has_no_agreement() {
        let third = 26.0 / 3.0;
        let none = (None, None);
        let cases: [(&[Vec<f64>], _); 6] = [
            (&[], none),
            (&[vec![], vec![]], none),
            (&[vec![8.0, 9.0]], (Some(0.0), None)),
            (&[vec![8.0], vec![9.0]], none),
            (&[vec![third; 3], vec![third; 3], vec![third]], none),
            (&[vec![3.0; 3], vec![4.0; 3]], (Some(1.0), Some(1.0))),
        ];
        for (units, expected) in cases {
            let sums = sums(units);
            assert_eq!((sums.alpha(), sums.icc()), expected, "{units:?}");
        }
        // Weights that leave only units with one and the same rating.
        let ratings = Ratings::of(&[vec![third; 3], vec![1.0, 2.0]]).unwrap();
        assert_eq!(ratings.sums(&[5, 0]).alpha(), None);
        assert_eq!(Ratings::of(&[vec![1.0], vec![f64::NAN]]), Err(NotFinite { row: 1 }));
    }

    #[test]
    fn mean_and_spread_are_mu_and_mean_sigma() {
        // Case 1 of the paper has sigma 2.4758; a single rating has no spread.
        let case_1 = [59.0, 58.0, 27.0].map(|total| total / 6.0).to_vec();
        let sums_of = sums(&[case_1, vec![8.0; 3], vec![1.0]]);
        assert_eq!(format!("{:.4}", 2.0 * sums_of.spread().unwrap()), "2.4758");
        assert!((sums_of.mean().unwrap() - 7.0).abs() < 1e-12);
        assert_eq!((sums(&[vec![1.0]]).spread(), sums(&[]).mean()), (None, None));
    }

    fn units() -> impl Strategy<Value = Vec<Vec<f64>>> {
        let rating = (0_u8..=10).prop_map(f64::from);
        prop::collection::vec(prop::collection::vec(rating, 0..5), 0..12)
    }

    fn alike(a: Option<f64>, b: Option<f64>) -> bool {
        a.is_some() == b.is_some() && a.zip(b).is_none_or(|(a, b)| (a - b).abs() < 1e-9)
    }

    proptest! {
        #[test]
        fn scale_and_origin_do_not_matter(units in units()) {
            let moved: Vec<Vec<f64>> =
                units.iter().map(|unit| unit.iter().map(|r| r / 6.0 - 40.0).collect()).collect();
            let (a, b) = (sums(&units), sums(&moved));
            prop_assert!(alike(a.alpha(), b.alpha()) && alike(a.icc(), b.icc()));
        }

        #[test]
        fn a_weight_repeats_its_unit(
            units in units(),
            weights in prop::collection::vec(0_u32..4, 12),
        ) {
            let repeated: Vec<Vec<f64>> = units
                .iter()
                .zip(&weights)
                .flat_map(|(unit, weight)| vec![unit.clone(); *weight as usize])
                .collect();
            let (a, b) = (Ratings::of(&units).unwrap().sums(&weights), sums(&repeated));
            prop_assert!(alike(a.alpha(), b.alpha()) && alike(a.icc(), b.icc()));
            prop_assert!(alike(a.spread(), b.spread()));
        }

        #[test]
        fn neither_exceeds_one(units in units()) {
            let sums = sums(&units);
            prop_assert!(sums.alpha().is_none_or(|alpha| alpha <= 1.0 + 1e-12));
            prop_assert!(sums.icc().is_none_or(|icc| icc <= 1.0 + 1e-12));
        }
    }
}

mod nominal {
    //! AC1 and the two kappas.

    use proptest::prelude::*;

    use super::super::*;

    fn check<const Q: usize>(units: &[[u32; Q]], ac1: Option<f64>, fleiss: Option<f64>) {
        let tally = Votes::of(units.iter().copied()).tally(&vec![1; units.len()]);
        for (found, expected) in [(tally.ac1(), ac1), (tally.fleiss(), fleiss)] {
            let close = found.zip(expected).map(|(found, value)| (found - value).abs() < 1e-11);
            assert!(close.unwrap_or(found == expected), "{found:?} is not {expected:?}");
        }
    }

    #[test]
    fn published_examples() {
        // Digits: scripts/statistics-reference.py; irrCAC 0.4.4 (R and Python), statsmodels 0.15.0.
        // Fleiss 1971, table 1: thirty patients, six psychiatrists, five diagnoses; kappa 0.430.
        let diagnoses = "00060 03003 01401 00006 03030 20400 00402 20310 20040 00006 10050 11040 \
            03300 10050 02031 00501 30012 51000 02040 10203 00006 01050 02013 20040 10041 05010 \
            40002 02040 10500 00006";
        let votes = |row: &str| -> [u32; 5] {
            let digits: Vec<u32> = row.chars().filter_map(|digit| digit.to_digit(10)).collect();
            digits.try_into().unwrap()
        };
        let diagnoses: Vec<[u32; 5]> = diagnoses.split_whitespace().map(votes).collect();
        check(&diagnoses, Some(0.447_884_515_845), Some(0.430_244_520_060));
        // Gwet 2014: Krippendorff's four observers, some missing; AC1 0.77544, kappa 0.76117.
        let observers = "30000 03100 00400 00400 04000 11110 00040 31000 04000 00003 20000 00100";
        let observers: Vec<[u32; 5]> = observers.split_whitespace().map(votes).collect();
        check(&observers, Some(0.775_444_068_127), Some(0.761_169_275_422));
        // Gwet 2008: 118 say yes twice, 5 and 2 differ. Kappa is negative at 94% agreement.
        let mut trait_votes = vec![[2, 0]; 118];
        trait_votes.extend([[1, 1]; 7]);
        let yes: f64 = 243.0 / 250.0;
        let chance = yes * yes + (1.0 - yes) * (1.0 - yes);
        check(&trait_votes, Some(0.940_776_337_609), Some((0.944 - chance) / (1.0 - chance)));
    }

    #[test]
    fn two_raters_as_scikit_learn_has_them() {
        // Rows of which both say yes, only the first, only the second, neither. scikit-learn 1.9.1, cohen_kappa_score;
        // the first table is that of Gwet 2008 above.
        for (table, agreement, kappa) in [
            ([118, 5, 2, 0], 0.944, Some(-0.023_391_812_865_497_075)),
            ([20, 5, 10, 15], 0.7, Some(0.4)),
            ([45, 15, 25, 15], 0.6, Some(0.130_434_782_608_695_68)),
            ([25, 35, 5, 35], 0.6, Some(0.259_259_259_259_259_3)),
            ([5, 0, 3, 0], 0.625, None),
            ([4, 0, 0, 0], 1.0, None),
        ] {
            let pairs = [(true, true), (true, false), (false, true), (false, false)];
            let [found_agreement, found] = cohen(&pairs, &table);
            assert!((found_agreement.unwrap() - agreement).abs() < 1e-12, "{table:?}");
            let close =
                found.zip(kappa).map(|(found, kappa): (f64, f64)| (found - kappa).abs() < 1e-12);
            assert!(close.unwrap_or(found == kappa), "{table:?}: {found:?}");
        }
        assert_eq!(cohen(&[(true, false)], &[0]), [None, None]);
    }

    #[test]
    fn bad_input_has_a_defined_result() {
        check::<2>(&[], None, None);
        check(&[[0, 0], [1, 0]], None, None);
        check(&[[3, 0], [3, 0]], Some(1.0), None);
        check(&[[3, 0], [0, 3]], Some(1.0), Some(1.0));
        check(&[[3], [3]], None, None);
        assert_eq!(Votes::of([[1, 2]]).tally(&[1]).share(7), None);
    }

    proptest! {
        #[test]
        fn a_weight_repeats_its_unit(
            units in prop::collection::vec(prop::array::uniform3(0_u32..4), 0..10),
            weights in prop::collection::vec(0_u32..4, 10),
        ) {
            let weights = &weights[..units.len()];
            let repeated: Vec<[u32; 3]> = units
                .iter()
                .zip(weights)
                .flat_map(|(unit, weight)| vec![*unit; *weight as usize])
                .collect();
            let weighted = Votes::of(units).tally(weights);
            check(&repeated, weighted.ac1(), weighted.fleiss());
        }

        #[test]
        fn neither_exceeds_one(
            units in prop::collection::vec(prop::array::uniform3(0_u32..4), 0..10),
        ) {
            let tally = Votes::of(units.iter().copied()).tally(&vec![1; units.len()]);
            prop_assert!(tally.ac1().is_none_or(|ac1| ac1 <= 1.0 + 1e-12));
            prop_assert!(tally.fleiss().is_none_or(|kappa| kappa <= 1.0 + 1e-12));
        }
    }
}
