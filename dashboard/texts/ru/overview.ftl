# Обзор: неполадки со способами их устранить и цифры.
overview-problems = { $count ->
    [0] Неполадки
    [one] { $count } неполадка
    [few] { $count } неполадки
   *[other] { $count } неполадок
  }
overview-calm = Сейчас неполадок нет.
overview-figures = Цифры
overview-now = На момент
overview-collected = Получено сегодня
overview-charged = Списано сегодня
overview-entries = { $count ->
    [one] { $count } запись
    [few] { $count } записи
   *[other] { $count } записей
  }
overview-due = К оплате за 24 ч
overview-late = Опаздывают
overview-short = Не хватает денег
overview-held = Удержано защитой
overview-pending = Ожидают отправки
overview-nodes = Узлы на связи
overview-nodes-up = { $up } из { $all }
overview-draining = выводится: { $count }
overview-audit = Последняя проверка
overview-audit-everything = Последняя проверка
overview-audit-changes = Последняя проверка изменений
overview-no-audit = не было
overview-audit-ok = нарушений нет
overview-violations = { $count ->
    [one] { $count } нарушение
    [few] { $count } нарушения
   *[other] { $count } нарушений
  }
overview-active = Активные подписки
overview-customers = Клиенты
overview-about = около { $count }
