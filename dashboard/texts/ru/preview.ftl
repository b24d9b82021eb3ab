# Решения, которые принял бы запуск.
preview-empty = Сейчас запуску нечего делать.
preview-incomplete = Времени не хватило: есть ещё элементы, которым пора.
preview-outcomes = Решения запуска
preview-outcome = Решение
preview-count = Сколько
preview-amount = Сумма
preview-sample = { $count ->
    [one] Первый элемент
    [few] Первые { $count } элемента
   *[many] Первые { $count } элементов
  }
preview-outcome-renew = продлить
preview-outcome-wait-for-money = ждать денег
preview-outcome-wait-for-unblock = ждать, клиент заблокирован
preview-outcome-hold-charge = списание держит защита
preview-outcome-hold-end = окончание держит защита
preview-outcome-hold = оставить, в карантине
preview-outcome-quarantine = поместить в карантин
preview-outcome-give-up = останется истёкшей
preview-outcome-end = закончить
preview-outcome-change-terms = перейти на выбранные условия
preview-outcome-nothing = ничего не делать
preview-outcome-remind = напомнить
preview-outcome-tell-price = сообщить новую цену
preview-outcome-tell-withdrawn = сообщить, что цены больше нет
preview-outcome-tell-renewal = сообщить о продлении
preview-outcome-wait = ждать
preview-outcome-send = отправить
preview-outcome-suppress = не отправлять
preview-outcome-alarm = поднять тревогу
preview-outcome-over = снять тревогу
preview-outcome-failed = не удастся
preview-outcome-missing = пользователя нет на узле
preview-outcome-unwanted = у пользователя нет права на узел
preview-outcome-unknown = неизвестный пользователь на узле
preview-outcome-different = пользователь на узле отличается
preview-outcome-conflict = UUID клиента под чужим именем
